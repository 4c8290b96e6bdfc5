# SPDX-License-Identifier: Apache-2.0
"""Images of finished roots; see image.bbclass."""

BBIMPORTS = ["initramfs", "iso", "oci", "qemu", "sbom"]
