package main

import (
	"context"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// server answers OpenTofu. The embedded nil interface stands for calls that it never makes here.
type server struct {
	tfprotov6.ProviderServer
	provider    *tfprotov6.Schema
	resources   map[string]resourceType
	dataSources map[string]resourceType
}

func newServer(schema providerSchema) (*server, error) {
	provider, err := schema.Provider.protocol()
	if err != nil {
		return nil, err
	}
	resources, err := convertTypes(schema.Resources)
	if err != nil {
		return nil, err
	}
	dataSources, err := convertTypes(schema.DataSources)
	return &server{provider: provider, resources: resources, dataSources: dataSources}, err
}

// change decodes a value, changes it and encodes it again.
func (t resourceType) change(
	value *tfprotov6.DynamicValue, changes ...func(tftypes.Value) (tftypes.Value, error),
) (*tfprotov6.DynamicValue, []*tfprotov6.Diagnostic) {
	decoded, err := value.Unmarshal(t.schema.ValueType())
	for _, change := range changes {
		if err == nil {
			decoded, err = change(decoded)
		}
	}
	if err != nil {
		return nil, diagnostics(err)
	}
	encoded, err := tfprotov6.NewDynamicValue(t.schema.ValueType(), decoded)
	return &encoded, diagnostics(err)
}

func (t resourceType) plan(value tftypes.Value) (tftypes.Value, error) {
	return plan(t.block, value)
}

func diagnostics(err error) []*tfprotov6.Diagnostic {
	if err == nil {
		return nil
	}
	return []*tfprotov6.Diagnostic{{Severity: tfprotov6.DiagnosticSeverityError, Summary: err.Error()}}
}

func schemasOf(types map[string]resourceType) map[string]*tfprotov6.Schema {
	schemas := map[string]*tfprotov6.Schema{}
	for name, t := range types {
		schemas[name] = t.schema
	}
	return schemas
}

func (s *server) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	metadata := &tfprotov6.GetMetadataResponse{ServerCapabilities: &tfprotov6.ServerCapabilities{}}
	for name := range s.resources {
		metadata.Resources = append(metadata.Resources, tfprotov6.ResourceMetadata{TypeName: name})
	}
	for name := range s.dataSources {
		metadata.DataSources = append(metadata.DataSources, tfprotov6.DataSourceMetadata{TypeName: name})
	}
	return metadata, nil
}

func (s *server) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return &tfprotov6.GetProviderSchemaResponse{
		ServerCapabilities: &tfprotov6.ServerCapabilities{}, Provider: s.provider,
		ResourceSchemas: schemasOf(s.resources), DataSourceSchemas: schemasOf(s.dataSources)}, nil
}

func (s *server) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (s *server) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s *server) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{}, nil
}

func (s *server) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func (s *server) ValidateResourceConfig(_ context.Context, r *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	t := s.resources[r.TypeName]
	value, err := r.Config.Unmarshal(t.schema.ValueType())
	if err != nil {
		return &tfprotov6.ValidateResourceConfigResponse{Diagnostics: diagnostics(err)}, nil
	}
	found := computedThatAreSet(t.block, value, tftypes.NewAttributePath())
	return &tfprotov6.ValidateResourceConfigResponse{Diagnostics: found}, nil
}

func (s *server) ValidateDataResourceConfig(context.Context, *tfprotov6.ValidateDataResourceConfigRequest) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	return &tfprotov6.ValidateDataResourceConfigResponse{}, nil
}

func (s *server) UpgradeResourceState(_ context.Context, r *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	valueType := s.resources[r.TypeName].schema.ValueType()
	value, err := r.RawState.Unmarshal(valueType)
	if err != nil {
		return &tfprotov6.UpgradeResourceStateResponse{Diagnostics: diagnostics(err)}, nil
	}
	state, err := tfprotov6.NewDynamicValue(valueType, value)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state, Diagnostics: diagnostics(err)}, nil
}

func (s *server) ReadResource(_ context.Context, r *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: r.CurrentState}, nil
}

func (s *server) PlanResourceChange(_ context.Context, r *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	t := s.resources[r.TypeName]
	state, found := t.change(r.ProposedNewState, t.plan)
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: state, Diagnostics: found}, nil
}

func (s *server) ApplyResourceChange(_ context.Context, r *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	state, found := s.resources[r.TypeName].change(r.PlannedState, fillIn)
	return &tfprotov6.ApplyResourceChangeResponse{NewState: state, Diagnostics: found}, nil
}

func (s *server) ReadDataSource(_ context.Context, r *tfprotov6.ReadDataSourceRequest) (*tfprotov6.ReadDataSourceResponse, error) {
	t := s.dataSources[r.TypeName]
	state, found := t.change(r.Config, t.plan, fillIn)
	return &tfprotov6.ReadDataSourceResponse{State: state, Diagnostics: found}, nil
}

func (s *server) GetFunctions(context.Context, *tfprotov6.GetFunctionsRequest) (*tfprotov6.GetFunctionsResponse, error) {
	return &tfprotov6.GetFunctionsResponse{}, nil
}
