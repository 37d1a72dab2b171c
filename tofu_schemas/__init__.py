"""Provider schemas for OpenTofu, from published bindings: checks infra/ where no cloud is asked.

    python -m tofu_schemas --mirror FOLDER infra/aws    write a provider mirror, print its settings

The mirror's providers are all one program, which validates and plans by a schema alone. A tool of
developers: whoever creates infrastructure uses the real providers.
"""
