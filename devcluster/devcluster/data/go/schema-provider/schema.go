package main

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type attribute struct {
	Type      json.RawMessage `json:"type"`
	Optional  bool            `json:"optional"`
	Required  bool            `json:"required"`
	Computed  bool            `json:"computed"`
	Sensitive bool            `json:"sensitive"`
	WriteOnly bool            `json:"write_only"`
}

type block struct {
	Attributes map[string]attribute   `json:"attributes"`
	BlockTypes map[string]nestedBlock `json:"block_types"`
}

type nestedBlock struct {
	NestingMode string `json:"nesting_mode"`
	Block       block  `json:"block"`
	MinItems    int64  `json:"min_items"`
	MaxItems    int64  `json:"max_items"`
}

type versionedBlock struct {
	Version int64 `json:"version"`
	Block   block `json:"block"`
}

type providerSchema struct {
	Provider    versionedBlock            `json:"provider"`
	Resources   map[string]versionedBlock `json:"resource_schemas"`
	DataSources map[string]versionedBlock `json:"data_source_schemas"`
}

// resourceType is a type of resource or data source, with its schema as the protocol has it.
type resourceType struct {
	block  block
	schema *tfprotov6.Schema
}

var nestingModes = map[string]tfprotov6.SchemaNestedBlockNestingMode{
	"single": tfprotov6.SchemaNestedBlockNestingModeSingle,
	"list":   tfprotov6.SchemaNestedBlockNestingModeList,
	"set":    tfprotov6.SchemaNestedBlockNestingModeSet,
}

// convertTypes returns every type by its name.
func convertTypes(blocks map[string]versionedBlock) (map[string]resourceType, error) {
	types := map[string]resourceType{}
	for name, versioned := range blocks {
		schema, err := versioned.protocol()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		types[name] = resourceType{block: versioned.Block, schema: schema}
	}
	return types, nil
}

func (v versionedBlock) protocol() (*tfprotov6.Schema, error) {
	converted, err := v.Block.protocol()
	return &tfprotov6.Schema{Version: v.Version, Block: converted}, err
}

func (b block) protocol() (*tfprotov6.SchemaBlock, error) {
	converted := &tfprotov6.SchemaBlock{}
	for name, a := range b.Attributes {
		valueType, err := tftypes.ParseJSONType(a.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		converted.Attributes = append(converted.Attributes, &tfprotov6.SchemaAttribute{
			Name: name, Type: valueType, Optional: a.Optional, Required: a.Required,
			Computed: a.Computed, Sensitive: a.Sensitive, WriteOnly: a.WriteOnly})
	}
	for name, nested := range b.BlockTypes {
		mode, known := nestingModes[nested.NestingMode]
		if !known {
			return nil, fmt.Errorf("%s: unknown nesting mode %q", name, nested.NestingMode)
		}
		inner, err := nested.Block.protocol()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		converted.BlockTypes = append(converted.BlockTypes, &tfprotov6.SchemaNestedBlock{
			TypeName: name, Block: inner, Nesting: mode,
			MinItems: nested.MinItems, MaxItems: nested.MaxItems})
	}
	return converted, nil
}
