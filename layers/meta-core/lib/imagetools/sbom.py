# SPDX-License-Identifier: Apache-2.0
"""What an image is made of: a manifest for people, and SPDX 2.3 and CycloneDX 1.5 for programs."""

import hashlib
import json
import time


def _purl(entry, distro):
    version = entry["version"].replace(":", "%3A").replace("+", "%2B")
    return "pkg:deb/%s/%s@%s?arch=%s" % (distro, entry["package"].replace("+", "%2B"), version, entry["architecture"])


def write(base, name, packages, distro, epoch):
    """Write base.manifest, base.spdx.json and base.cdx.json."""
    with open(base + ".manifest", "w") as file:
        for entry in packages:
            file.write("%s %s %s\n" % (entry["package"], entry["architecture"], entry["version"]))
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    identity = hashlib.sha256("".join(entry["sha256"] for entry in packages).encode()).hexdigest()
    identifier = lambda entry: "SPDXRef-%s" % entry["sha256"][:24]
    spdx = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": "urn:rbake:%s:%s" % (name, identity),
        "creationInfo": {"created": created, "creators": ["Tool: rbake"]},
        "packages": [{
            "SPDXID": identifier(entry), "name": entry["package"], "versionInfo": entry["version"], "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION", "sourceInfo": "built from %s" % entry["source"],
            "checksums": [{"algorithm": "SHA256", "checksumValue": entry["sha256"]}],
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": _purl(entry, distro)}],
        } for entry in packages],
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": identifier(entry)} for entry in packages],
    }
    cyclonedx = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"timestamp": created, "component": {"type": "operating-system", "name": name}},
        "components": [{
            "type": "library", "name": entry["package"], "version": entry["version"], "purl": _purl(entry, distro),
            "bom-ref": entry["sha256"], "hashes": [{"alg": "SHA-256", "content": entry["sha256"]}],
        } for entry in packages],
    }
    for suffix, document in ((".spdx.json", spdx), (".cdx.json", cyclonedx)):
        with open(base + suffix, "w") as file:
            json.dump(document, file, indent=1, sort_keys=True)
            file.write("\n")
