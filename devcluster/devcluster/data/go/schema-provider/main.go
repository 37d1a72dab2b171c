// A Terraform provider that knows another provider's schema and nothing else.
//
// It reads the schema from schema.json beside the program, in the format of
// "tofu providers schema -json". It validates against it, plans computed values as unknown, and
// "creates" resources by making values up. It connects to no cloud.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "schema provider:", err)
		os.Exit(1)
	}
}

func serve() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	file := filepath.Join(filepath.Dir(program), "schema.json")
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var content struct {
		Schemas map[string]providerSchema `json:"provider_schemas"`
	}
	if err := json.Unmarshal(raw, &content); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(content.Schemas) != 1 {
		return fmt.Errorf("%s has %d providers, not one", file, len(content.Schemas))
	}
	for address, schema := range content.Schemas {
		provider, err := newServer(schema)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return tf6server.Serve(address, func() tfprotov6.ProviderServer { return provider })
	}
	return nil
}
