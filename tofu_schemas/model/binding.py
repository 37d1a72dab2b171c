"""One type's schema from its binding, which was generated from that schema.

A binding is JavaScript. Read are: the tables that it writes HCL by (name, block or attribute, type,
class of storage), comments (`name - computed: …, optional: …, required: …`), and the getters of
what only the provider sets. The result is a block in the format of `tofu providers schema -json`.
Not known from a binding: what is sensitive or write-only, defaults, conflicts, what replaces.
"""

import re
from typing import Any

Schema = dict[str, Any]
Type = Any  # "string", ["list", "string"], ["object", {"name": "string"}]

_ATTRIBUTE = re.compile(
    r"^\s+(\w+): \{\s*value: (.*),\s*isBlock: (?:true|false),"
    r'\s*type: "(\w+)",\s*storageClassType: "(\w+)"',
    re.MULTILINE,
)
_MAPPER = re.compile(
    r"listMapperHcl\((?P<many>\w+?)ToHclTerraform, (?P<block>true|false)\)"
    r"|(?P<one>\w+?)ToHclTerraform\((?:struct|this)"
    r"|hashMapperHcl\((?P<keyed>\w+?)ToHclTerraform"
)
_FLAGS = re.compile(r"// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)")
_GETTER = re.compile(r"get \w+\(\) \{\s*return (.*?);\s*\}", re.DOTALL)
_GETTER_TYPE = re.compile(r"this\.get(\w+?)Attribute\(['\"](\w+)['\"]\)")
_NESTED = re.compile(r'_\w+ = new (\w+)\(this, "(\w+)"(?:, (true|false))?')
_STORAGE = re.compile(r"(string|number|boolean|any)(List|Set|Map)?(List|Set|Map)?")
_SIMPLE = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
_GETTERS: dict[str, Type] = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    "AnyMap": ["map", "string"],
}


class BindingError(Exception):
    """A binding is not what this module can read."""


class Binding:
    """The classes and functions of a binding, by name."""

    def __init__(self, javascript: str) -> None:
        """Find them; names are taken without the module that they are imported from."""
        text = re.sub(r"\(0, \w+_\d+\.(\w+)\)", r"\1", javascript)
        text = re.sub(r"\b(?:index|structs)\w*_\d+\.", "", text)
        classes = r"^class (\w+) extends [\w.]+ \{(.*?)^\}"
        functions = r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}"
        self._classes = dict(re.findall(classes, text, re.MULTILINE | re.DOTALL))
        self._functions = dict(re.findall(functions, text, re.MULTILINE | re.DOTALL))

    def schema(self) -> Schema:
        """Return the schema of a resource or data source. Raises BindingError."""
        schema = self.provider_schema()
        schema["block"]["attributes"]["id"] = {"type": "string", "optional": True, "computed": True}
        return schema

    def provider_schema(self) -> Schema:
        """Return the schema of a provider's own arguments. Raises BindingError."""
        marker = "synthesizeHclAttributes"
        names = [name for name, body in self._classes.items() if marker in body]
        if len(names) != 1:
            raise BindingError(f"It has {len(names)} classes with {marker}, not one.")
        body = self._classes[names[0]]
        return {"version": 0, "block": self._block(body[body.index(marker) :], names[0])}

    def _block(self, table: str, class_name: str, within: tuple[str, ...] = ()) -> Schema:
        """Return the block of a table, with what its class says about it."""
        if class_name in within:
            raise BindingError(f"{class_name} contains itself, which a schema can't describe.")
        body = self._classes.get(class_name, "")
        attributes: Schema = {}
        blocks: Schema = {}
        flags = _flags(body)
        for name, value, kind, storage in _ATTRIBUTE.findall(table):
            own = flags.get(name, {"optional": True})
            mapper = _MAPPER.search(value)
            function = self._function(mapper)
            if mapper is None or function is None:
                attributes[name] = {"type": _type(kind, storage), **own}
                continue
            struct = function[0].upper() + function[1:]
            inner = self._block(
                self._functions[function], f"{struct}OutputReference", (*within, class_name)
            )
            # A single struct that is no list is an attribute of nested attributes, but `timeouts`.
            single = bool(mapper["one"]) and (kind != "struct" or name == "timeouts")
            if mapper["block"] == "true" or single:
                blocks[name] = _nested_block(kind, inner, own, many=bool(mapper["many"]))
            else:
                nested = _object_type(inner)
                attributes[name] = {"type": nested if kind == "struct" else [kind, nested], **own}
        for name, valued in self._computed(body).items():
            if name not in blocks:
                attributes.setdefault(name, {"type": valued, "computed": True})
        return {"attributes": attributes, "block_types": blocks}

    def _function(self, mapper: re.Match[str] | None) -> str | None:
        """Return the name of the function that a value is mapped by, if it is in the binding."""
        names = mapper.group("many", "one", "keyed") if mapper else ()
        return next((name for name in names if name in self._functions), None)

    def _computed(self, body: str) -> dict[str, Type]:
        """Return what a class has getters for: name → type."""
        types: dict[str, Type] = {}
        for expression in _GETTER.findall(body):
            getter = _GETTER_TYPE.search(expression)
            if getter and getter[1] in _GETTERS:
                valued = _GETTERS[getter[1]]
                types[getter[2]] = ["set", valued[1]] if "tolist" in expression else valued
        for class_name, name, from_set in _NESTED.findall(body):
            if (valued := self._nested_type(class_name, is_set=from_set == "true")) is not None:
                types[name] = valued
        return types

    def _nested_type(self, class_name: str, *, is_set: bool) -> Type | None:
        """Return the type of a list, set or map that a class stands for; None if it is neither."""
        if not class_name.endswith(("List", "Map")):
            return None
        is_map = class_name.endswith("Map")
        element = re.sub("(List|Map)$", "OutputReference", class_name)
        if element in self._classes:
            kind = "map" if is_map and class_name not in self._classes else "list"
            fields = ["object", self._computed(self._classes[element])]
            return ["set" if is_set and kind == "list" else kind, fields]
        return ["map", "string"] if is_map else None


def _flags(body: str) -> dict[str, Schema]:
    """Return what the comments of a class say: name → the flags that are true."""
    names = ("computed", "optional", "required")
    return {
        name: {flag: True for flag, value in zip(names, values, strict=True) if value == "true"}
        for name, *values in _FLAGS.findall(body)
    }


def _type(kind: str, storage: str) -> Type:
    """Return the type of an attribute, from its kind and class of storage (`stringListMap`)."""
    if kind == "simple":
        return _SIMPLE.get(storage, "string")
    if kind not in ("list", "set", "map"):
        return "dynamic"
    match = _STORAGE.fullmatch(storage)
    element: Type = _SIMPLE[match[1]] if match else "string"
    if match and match[3]:
        element = ["list" if kind != "map" else match[2].lower(), element]
    return [kind, element]


def _nested_block(kind: str, inner: Schema, flags: Schema, *, many: bool) -> Schema:
    """Return a nested block; one of kind `struct` is always single."""
    if kind == "struct":
        return {"nesting_mode": "single", "block": inner}
    block: Schema = {"nesting_mode": kind, "block": inner}
    if not many:
        block["max_items"] = 1
    if flags.get("required"):
        block["min_items"] = 1
    return block


def _object_type(block: Schema) -> Type:
    """Return the type of an attribute whose value is written as nested attributes."""
    fields = {name: attribute["type"] for name, attribute in block["attributes"].items()}
    for name, nested in block["block_types"].items():
        inner = _object_type(nested["block"])
        mode = nested["nesting_mode"]
        fields[name] = inner if mode == "single" else [mode, inner]
    return ["object", fields]
