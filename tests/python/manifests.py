"""Holds Kubernetes manifests to the published schemas: manifests.py VERSION FILE..."""

import sys

import kubernetes_validate
import yaml

# Kinds of others, whose schemas do not come with Kubernetes.
FOREIGN = {"Kustomization", "ScaledObject"}

version, files = sys.argv[1], sys.argv[2:]
checked = 0
for name in files:
    with open(name) as file:
        for document in yaml.safe_load_all(file):
            if document["kind"] in FOREIGN:
                continue
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = "/".join(str(step) for step in error.path)
                sys.exit(f"{name}: {document['kind']} {document['metadata']['name']}: {path}: {error.message}")
            checked += 1
print(checked)
