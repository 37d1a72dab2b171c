package main

import (
	"math/big"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// plan returns a proposed object in which each computed value that is not set is unknown.
func plan(b block, value tftypes.Value) (tftypes.Value, error) {
	if value.IsNull() || !value.IsKnown() {
		return value, nil
	}
	var fields map[string]tftypes.Value
	if err := value.As(&fields); err != nil {
		return value, err
	}
	for name, a := range b.Attributes {
		field := fields[name]
		if a.WriteOnly {
			fields[name] = tftypes.NewValue(field.Type(), nil)
		} else if a.Computed && field.IsKnown() && field.IsNull() {
			fields[name] = tftypes.NewValue(field.Type(), tftypes.UnknownValue)
		}
	}
	for name, nested := range b.BlockTypes {
		planned, err := planBlock(nested, fields[name])
		if err != nil {
			return value, err
		}
		fields[name] = planned
	}
	return tftypes.NewValue(value.Type(), fields), nil
}

func planBlock(nested nestedBlock, value tftypes.Value) (tftypes.Value, error) {
	if nested.NestingMode == "single" || value.IsNull() || !value.IsKnown() {
		return plan(nested.Block, value)
	}
	var items []tftypes.Value
	if err := value.As(&items); err != nil {
		return value, err
	}
	for i := range items {
		item, err := plan(nested.Block, items[i])
		if err != nil {
			return value, err
		}
		items[i] = item
	}
	return tftypes.NewValue(value.Type(), items), nil
}

// computedThatAreSet reports the values in a configuration that only the provider may set.
func computedThatAreSet(b block, value tftypes.Value, path *tftypes.AttributePath) []*tfprotov6.Diagnostic {
	var fields map[string]tftypes.Value
	if value.IsNull() || !value.IsKnown() || value.As(&fields) != nil {
		return nil
	}
	var found []*tfprotov6.Diagnostic
	for name, a := range b.Attributes {
		if a.Computed && !a.Optional && !fields[name].IsNull() {
			found = append(found, &tfprotov6.Diagnostic{
				Severity: tfprotov6.DiagnosticSeverityError, Attribute: path.WithAttributeName(name),
				Summary: "Value for unconfigurable attribute", Detail: name + " is set by the provider only."})
		}
	}
	for name, nested := range b.BlockTypes {
		for _, item := range blocksIn(nested, fields[name]) {
			found = append(found, computedThatAreSet(nested.Block, item, path.WithAttributeName(name))...)
		}
	}
	return found
}

func blocksIn(nested nestedBlock, value tftypes.Value) []tftypes.Value {
	if nested.NestingMode == "single" {
		return []tftypes.Value{value}
	}
	var items []tftypes.Value
	if value.IsNull() || !value.IsKnown() || value.As(&items) != nil {
		return nil
	}
	return items
}

// fillIn replaces each unknown value by one that is made up from its name.
func fillIn(value tftypes.Value) (tftypes.Value, error) {
	return tftypes.Transform(value, func(path *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
		if v.IsKnown() {
			return v, nil
		}
		return makeUp(lastName(path), v.Type()), nil
	})
}

func lastName(path *tftypes.AttributePath) string {
	if steps := path.Steps(); len(steps) > 0 {
		if name, ok := steps[len(steps)-1].(tftypes.AttributeName); ok {
			return string(name)
		}
	}
	return "value"
}

func makeUp(name string, valueType tftypes.Type) tftypes.Value {
	switch {
	case valueType.Is(tftypes.String):
		return tftypes.NewValue(valueType, "made-up-"+name)
	case valueType.Is(tftypes.Number):
		return tftypes.NewValue(valueType, big.NewFloat(1))
	case valueType.Is(tftypes.Bool):
		return tftypes.NewValue(valueType, false)
	}
	switch t := valueType.(type) {
	case tftypes.List:
		if t.ElementType.Is(tftypes.Object{}) {
			return tftypes.NewValue(t, []tftypes.Value{makeUp(name, t.ElementType)})
		}
		// More than one, so that code may index a few: the cloud's zones, for example.
		return tftypes.NewValue(t, []tftypes.Value{
			makeUp(name, t.ElementType), makeUp(name+"-2", t.ElementType), makeUp(name+"-3", t.ElementType)})
	case tftypes.Set:
		return tftypes.NewValue(t, []tftypes.Value{makeUp(name, t.ElementType)})
	case tftypes.Map:
		return tftypes.NewValue(t, map[string]tftypes.Value{})
	case tftypes.Object:
		fields := map[string]tftypes.Value{}
		for field, fieldType := range t.AttributeTypes {
			fields[field] = makeUp(field, fieldType)
		}
		return tftypes.NewValue(t, fields)
	}
	return tftypes.NewValue(valueType, nil)
}
