//! TLS as every connection uses it: the host's certificate authorities, HTTP/2 where the server has it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Where the distributions keep their bundle of authorities.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

/// The configuration; `SSL_CERT_FILE` and `SSL_CERT_DIR` of `environment` come before the host's bundle.
pub(super) fn configuration(environment: &BTreeMap<String, String>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let mut add = |data: &[u8]| {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(data).filter_map(Result::ok)).0
    };
    let mut found = 0;
    if let Some(file) = environment.get("SSL_CERT_FILE") {
        found += fs::read(file).map(|data| add(&data)).unwrap_or_default();
    }
    if let Some(directory) = environment.get("SSL_CERT_DIR") {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            found += fs::read(entry.path()).map(|data| add(&data)).unwrap_or_default();
        }
    }
    if found == 0 {
        for bundle in BUNDLES {
            if fs::read(bundle).is_ok_and(|data| add(&data) > 0) {
                break;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
