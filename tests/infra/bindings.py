"""Bindings of an invented provider, written as its generator writes them."""

RESOURCE = """
function cloudShopRuleToHclTerraform(struct) {
    const attrs = {
        port: {
            value: cdktn.numberToHclTerraform(struct.port),
            isBlock: false,
            type: "simple",
            storageClassType: "number",
        },
    };
}
exports.cloudShopRuleToHclTerraform = cloudShopRuleToHclTerraform;
class CloudShopRuleOutputReference extends cdktn.ComplexObject {
    // port - computed: false, optional: false, required: true
    _port;
    get port() {
        return this.getNumberAttribute('port');
    }
}
class CloudShopRuleList extends cdktn.ComplexList {
}
function cloudShopOwnerToHclTerraform(struct) {
    const attrs = {
        email: {
            value: cdktn.stringToHclTerraform(struct.email),
            isBlock: false,
            type: "simple",
            storageClassType: "string",
        },
    };
}
class CloudShopOwnerOutputReference extends cdktn.ComplexObject {
    // email - computed: false, optional: true, required: false
    _email;
    get email() {
        return this.getStringAttribute('email');
    }
}
class CloudShopStatusOutputReference extends cdktn.ComplexObject {
    // ready - computed: true, optional: false, required: false
    get ready() {
        return this.getBooleanAttribute('ready');
    }
}
class CloudShopStatusList extends cdktn.ComplexList {
}
class CloudShop extends cdktn.TerraformResource {
    static tfResourceType = "cloud_shop";
    // name - computed: false, optional: false, required: true
    _name;
    get name() {
        return this.getStringAttribute('name');
    }
    // size - computed: true, optional: true, required: false
    _size;
    get size() {
        return this.getStringAttribute('size');
    }
    // zones - computed: false, optional: true, required: false
    _zones;
    get zones() {
        return cdktn.Fn.tolist(this.getListAttribute('zones'));
    }
    // address - computed: true, optional: false, required: false
    get address() {
        return this.getStringAttribute('address');
    }
    // status - computed: true, optional: false, required: false
    _status = new CloudShopStatusList(this, "status", false);
    // rule - computed: false, optional: true, required: false
    _rule = new CloudShopRuleList(this, "rule", true);
    // owner - computed: false, optional: false, required: true
    _owner = new CloudShopOwnerOutputReference(this, "owner");
    synthesizeHclAttributes() {
        const attrs = {
            name: {
                value: cdktn.stringToHclTerraform(this._name),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            size: {
                value: cdktn.stringToHclTerraform(this._size),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            zones: {
                value: cdktn.listMapperHcl(cdktn.stringToHclTerraform, false)(this._zones),
                isBlock: false,
                type: "set",
                storageClassType: "stringList",
            },
            rule: {
                value: cdktn.listMapperHcl(cloudShopRuleToHclTerraform, true)(this._rule),
                isBlock: true,
                type: "set",
                storageClassType: "CloudShopRuleList",
            },
            owner: {
                value: cloudShopOwnerToHclTerraform(this._owner.internalValue),
                isBlock: true,
                type: "list",
                storageClassType: "CloudShopOwnerList",
            },
        };
    }
}
"""

PROVIDER = """
class CloudProvider extends cdktn.TerraformProvider {
    static tfResourceType = "cloud";
    constructor() {
        super(scope, id, {
            terraformGeneratorMetadata: {
                providerName: 'cloud',
                providerVersion: '1.2.3',
            },
        });
    }
    // region - computed: false, optional: true, required: false
    _region;
    synthesizeHclAttributes() {
        const attrs = {
            region: {
                value: cdktn.stringToHclTerraform(this._region),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
        };
    }
}
"""
