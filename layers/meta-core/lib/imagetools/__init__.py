# SPDX-License-Identifier: Apache-2.0
"""Images of finished roots; see image.bbclass."""

BBIMPORTS = ["disk", "ext4", "initramfs", "iso", "oci", "qemu", "sbom"]
