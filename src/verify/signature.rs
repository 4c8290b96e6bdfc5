//! Checking OpenPGP signatures against pinned keys, under an explicit policy.
//!
//! A signature counts if a key made it whose fingerprint is pinned, or a subkey bound to such a key; if the key
//! and the signature are valid now; and if no digest involved is weak. One signature that counts is enough, as
//! archives sign with several keys while they change them. All others are told with their reason.

use std::io::Cursor;

use pgp::armor::BlockType;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, PublicParams, Tag};
use rsa_size::rsa_bits;

use super::armor;
use super::date::Day;
use super::key::{Fingerprint, Keyring};

/// The rules a signature must keep.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The present, in seconds since 1970.
    pub now: u64,
    /// How many seconds a signature may lie in the future, for clocks that differ.
    pub clock_skew: u64,
    /// Smallest acceptable RSA key, in bits.
    pub min_rsa_bits: usize,
}

impl Policy {
    /// The usual rules at the time `now`, in seconds since 1970.
    pub fn at(now: u64) -> Self {
        Policy { now, clock_skew: 300, min_rsa_bits: 2048 }
    }
}

/// Whose signatures count.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The keys at hand.
    pub keys: Keyring,
    /// Fingerprints of the keys that count: of a primary key (its subkeys count too) or of one signing subkey.
    pub pinned: Vec<Fingerprint>,
}

/// A signature that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The primary key.
    pub primary: Fingerprint,
    /// The key that signed: the primary key or one of its subkeys.
    pub signer: Fingerprint,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// Why one signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("it is not signed")]
    Missing,
    /// The signature or the form it comes in can't be read.
    #[error("its signature can't be read: {0}")]
    Malformed(String),
    /// No key at hand made it.
    #[error("it is signed by a key that is not in the keyring: {0}")]
    UnknownKey(String),
    /// The key is known, but nobody pinned it.
    #[error("it is signed by {0}, which is not a pinned key")]
    NotPinned(Fingerprint),
    /// The bytes are not those that were signed.
    #[error("the signature by {0} is bad: the content was changed after signing")]
    Bad(Fingerprint),
    /// A digest that can be forged.
    #[error("the signature by {0} uses the weak digest {1}")]
    WeakDigest(Fingerprint, String),
    /// A key that can be broken.
    #[error("the key {0} is too weak ({1})")]
    WeakKey(Fingerprint, String),
    /// A kind of signature that is not made over documents.
    #[error("the signature by {0} is not a signature of a document")]
    WrongType(Fingerprint),
    /// It carries a demand that is not understood.
    #[error("the signature by {0} has a critical part that is not understood")]
    Critical(Fingerprint),
    /// Its time of validity is over.
    #[error("the signature by {0} expired on {1}")]
    Expired(Fingerprint, Day),
    /// Made later than now, or earlier than its key.
    #[error("the signature by {0} is dated {1}, which is impossible")]
    WrongTime(Fingerprint, Day),
    /// The key's time of validity is over.
    #[error("the key {0} expired on {1}")]
    KeyExpired(Fingerprint, Day),
    /// The key was revoked by its owner.
    #[error("the key {0} is revoked")]
    KeyRevoked(Fingerprint),
    /// The subkey is not, or not safely, bound to the primary key, or may not sign.
    #[error("the subkey {0} is not bound to its key for signing: {1}")]
    NotBound(Fingerprint, &'static str),
}

/// A file without a signature that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}", reasons(refusals))]
pub struct SignatureError {
    /// The file.
    pub file: String,
    /// One reason per signature.
    pub refusals: Vec<Refusal>,
}

fn reasons(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Trust {
    /// Trusts every key of a keyring, which must itself come from somewhere safe.
    pub fn all_of(keys: Keyring) -> Self {
        Trust { pinned: keys.fingerprints(), keys }
    }

    /// Checks a file against its detached signature, armored or binary.
    ///
    /// # Errors
    /// If no signature counts; `file` names the file in the message.
    pub fn verify_detached(
        &self,
        file: &str,
        data: &[u8],
        signature: &[u8],
        policy: &Policy,
    ) -> Result<Verified, SignatureError> {
        self.verify(data, signature, policy)
            .map_err(|refusals| SignatureError { file: file.into(), refusals })
    }

    /// Checks a message signed in clear (`InRelease`, `.dsc`) and returns the text that was signed, and no more.
    ///
    /// # Errors
    /// If it is not such a message, or no signature counts; `file` names the file in the message.
    pub fn verify_inline(
        &self,
        file: &str,
        data: &[u8],
        policy: &Policy,
    ) -> Result<(Vec<u8>, Verified), SignatureError> {
        let refused = |refusals| SignatureError { file: file.into(), refusals };
        if !armor::is_cleartext(data) {
            return Err(refused(vec![Refusal::Missing]));
        }
        let parts = armor::split_cleartext(data)
            .map_err(|reason| refused(vec![Refusal::Malformed(reason.into())]))?;
        let verified = self.verify(&parts.signed, &parts.signature, policy).map_err(refused)?;
        Ok((parts.text, verified))
    }

    fn verify(&self, data: &[u8], signature: &[u8], policy: &Policy) -> Result<Verified, Vec<Refusal>> {
        let mut refusals = Vec::new();
        match read_signatures(signature) {
            Ok(signatures) => {
                for signature in &signatures {
                    match self.verify_one(data, signature, policy) {
                        Ok(verified) => return Ok(verified),
                        Err(refusal) => refusals.push(refusal),
                    }
                }
            }
            Err(reason) => refusals.push(Refusal::Malformed(reason)),
        }
        if refusals.is_empty() {
            refusals.push(Refusal::Missing);
        }
        Err(refusals)
    }

    fn verify_one(&self, data: &[u8], signature: &Signature, policy: &Policy) -> Result<Verified, Refusal> {
        let mut refusal = None;
        for key in &self.keys.keys {
            let primary = Fingerprint::of(&key.primary_key);
            if issued_by(signature, &key.primary_key) {
                match self.by_primary(data, signature, key, &primary, policy) {
                    Ok(verified) => return Ok(verified),
                    Err(reason) => refusal = Some(reason),
                }
            }
            for subkey in key.public_subkeys.iter().filter(|subkey| issued_by(signature, &subkey.key)) {
                match self.by_subkey(data, signature, key, subkey, &primary, policy) {
                    Ok(verified) => return Ok(verified),
                    Err(reason) => refusal = Some(reason),
                }
            }
        }
        Err(refusal.unwrap_or_else(|| Refusal::UnknownKey(issuer(signature))))
    }

    fn by_primary(
        &self,
        data: &[u8],
        signature: &Signature,
        key: &SignedPublicKey,
        primary: &Fingerprint,
        policy: &Policy,
    ) -> Result<Verified, Refusal> {
        if !self.pinned.contains(primary) {
            return Err(Refusal::NotPinned(primary.clone()));
        }
        check_form(signature, primary)?;
        check_strength(&key.primary_key, primary, policy)?;
        signature.verify(&key.primary_key, data).map_err(|_| Refusal::Bad(primary.clone()))?;
        check_primary(key, primary, policy)?;
        let created = check_times(signature, &key.primary_key, primary, policy)?;
        Ok(Verified { primary: primary.clone(), signer: primary.clone(), created })
    }

    fn by_subkey(
        &self,
        data: &[u8],
        signature: &Signature,
        key: &SignedPublicKey,
        subkey: &SignedPublicSubKey,
        primary: &Fingerprint,
        policy: &Policy,
    ) -> Result<Verified, Refusal> {
        let signer = Fingerprint::of(&subkey.key);
        if !self.pinned.contains(primary) && !self.pinned.contains(&signer) {
            return Err(Refusal::NotPinned(primary.clone()));
        }
        check_form(signature, &signer)?;
        check_strength(&subkey.key, &signer, policy)?;
        signature.verify(&subkey.key, data).map_err(|_| Refusal::Bad(signer.clone()))?;
        check_primary(key, primary, policy)?;
        check_subkey(key, subkey, &signer, policy)?;
        let created = check_times(signature, &subkey.key, &signer, policy)?;
        Ok(Verified { primary: primary.clone(), signer, created })
    }
}

/// Reads signature packets; anything else among them is an error.
fn read_signatures(data: &[u8]) -> Result<Vec<Signature>, String> {
    let packets = armor::packets(data, &[BlockType::Signature])?;
    PacketParser::new(Cursor::new(packets))
        .map(|packet| match packet {
            Ok(Packet::Signature(signature)) => Ok(signature),
            Ok(_) => Err("it holds something else than signatures".into()),
            Err(error) => Err(error.to_string()),
        })
        .collect()
}

fn issued_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (prints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    prints.iter().any(|print| **print == key.fingerprint())
        || (prints.is_empty() && ids.iter().any(|id| **id == key.legacy_key_id()))
}

fn issuer(signature: &Signature) -> String {
    if let Some(print) = signature.issuer_fingerprint().first() {
        return print.to_string().to_uppercase();
    }
    signature.issuer_key_id().first().map_or_else(|| "unknown".into(), |id| id.to_string().to_uppercase())
}

/// A digest good enough to vouch for content.
fn is_strong(digest: Option<HashAlgorithm>) -> bool {
    matches!(
        digest,
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha224
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

fn has_unknown_critical(signature: &Signature) -> bool {
    signature.config().is_none_or(|config| {
        config.hashed_subpackets().any(|part| {
            part.is_critical
                && matches!(
                    part.data,
                    SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(..)
                )
        })
    })
}

fn check_form(signature: &Signature, signer: &Fingerprint) -> Result<(), Refusal> {
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(Refusal::WrongType(signer.clone()));
    }
    if !is_strong(signature.hash_alg()) {
        let name = signature.hash_alg().map_or_else(|| "unknown".into(), |digest| digest.to_string());
        return Err(Refusal::WeakDigest(signer.clone(), name));
    }
    if has_unknown_critical(signature) { Err(Refusal::Critical(signer.clone())) } else { Ok(()) }
}

fn check_strength(key: &impl KeyDetails, print: &Fingerprint, policy: &Policy) -> Result<(), Refusal> {
    match key.public_params() {
        PublicParams::RSA(params) => match rsa_bits(params) {
            bits if bits < policy.min_rsa_bits => {
                Err(Refusal::WeakKey(print.clone(), format!("RSA with {bits} bits")))
            }
            _ => Ok(()),
        },
        PublicParams::DSA(_) => Err(Refusal::WeakKey(print.clone(), "DSA".into())),
        _ => Ok(()),
    }
}

fn check_times(
    signature: &Signature,
    key: &impl KeyDetails,
    signer: &Fingerprint,
    policy: &Policy,
) -> Result<u64, Refusal> {
    let created = signature
        .created()
        .map(|time| u64::from(time.as_secs()))
        .ok_or_else(|| Refusal::Malformed("it has no date".into()))?;
    if created > policy.now + policy.clock_skew || created < u64::from(key.created_at().as_secs()) {
        return Err(Refusal::WrongTime(signer.clone(), Day(created)));
    }
    match signature.signature_expiration_time().map(|span| u64::from(span.as_secs())) {
        Some(span) if span > 0 && created + span <= policy.now => {
            Err(Refusal::Expired(signer.clone(), Day(created + span)))
        }
        _ => Ok(created),
    }
}

/// The primary key must be neither revoked nor expired, by its own newest word.
///
/// Its fingerprint is pinned, so its self-signatures can only limit it: here even an old digest is heeded.
fn check_primary(key: &SignedPublicKey, print: &Fingerprint, policy: &Policy) -> Result<(), Refusal> {
    let primary = &key.primary_key;
    if key
        .details
        .revocation_signatures
        .iter()
        .any(|revocation| revocation.verify_key(primary).is_ok() || names_revoker(key, revocation))
    {
        return Err(Refusal::KeyRevoked(print.clone()));
    }
    let direct = key.details.direct_signatures.iter().filter(|own| own.verify_key(primary).is_ok());
    let users = key.details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|own| {
            own.typ() != Some(SignatureType::CertRevocation)
                && issued_by(own, primary)
                && own.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        })
    });
    let Some(newest) = direct.chain(users).max_by_key(|own| own.created().map(|time| time.as_secs())) else {
        return Err(Refusal::NotBound(print.clone(), "the key has no valid self-signature"));
    };
    match expiry(primary, newest) {
        Some(end) if end <= policy.now => Err(Refusal::KeyExpired(print.clone(), Day(end))),
        _ => Ok(()),
    }
}

/// A revocation by a key that the owner appointed for it can't be checked here without that key: it is heeded.
fn names_revoker(key: &SignedPublicKey, revocation: &Signature) -> bool {
    let appointed = key.details.direct_signatures.iter().filter_map(|own| own.revocation_key());
    appointed.into_iter().any(|revoker| {
        revocation.issuer_fingerprint().iter().any(|print| print.as_bytes() == &revoker.fingerprint[..])
    })
}

/// The subkey must be bound by a strong signature of the primary key, agree to it itself, be meant for signing,
/// and be neither revoked nor expired.
fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    print: &Fingerprint,
    policy: &Policy,
) -> Result<(), Refusal> {
    let bound = |own: &&Signature| own.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok();
    let valid: Vec<&Signature> = subkey.signatures.iter().filter(bound).collect();
    if valid.iter().any(|own| own.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Err(Refusal::KeyRevoked(print.clone()));
    }
    let newest = valid.into_iter().max_by_key(|own| own.created().map(|time| time.as_secs()));
    let Some(binding) = newest else {
        return Err(Refusal::NotBound(print.clone(), "no valid binding signature"));
    };
    if !is_strong(binding.hash_alg()) {
        return Err(Refusal::NotBound(print.clone(), "its binding uses a weak digest"));
    }
    if has_unknown_critical(binding) {
        return Err(Refusal::NotBound(
            print.clone(),
            "its binding has a critical part that is not understood",
        ));
    }
    if !binding.key_flags().sign() {
        return Err(Refusal::NotBound(print.clone(), "it is not meant for signing"));
    }
    let agreed = binding.embedded_signature().is_some_and(|back| {
        is_strong(back.hash_alg()) && back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok()
    });
    if !agreed {
        return Err(Refusal::NotBound(print.clone(), "it did not sign the binding itself"));
    }
    match expiry(&subkey.key, binding) {
        Some(end) if end <= policy.now => Err(Refusal::KeyExpired(print.clone(), Day(end))),
        _ => Ok(()),
    }
}

/// When the key ends, by that self-signature.
fn expiry(key: &impl KeyDetails, own: &Signature) -> Option<u64> {
    let span = own.key_expiration_time().map(|span| u64::from(span.as_secs())).filter(|&span| span > 0)?;
    Some(u64::from(key.created_at().as_secs()) + span)
}

mod rsa_size {
    //! The size of an RSA key, without the crate that holds its numbers among our own dependencies.

    use pgp::ser::Serialize;
    use pgp::types::RsaPublicParams;

    /// Bits of the modulus: the first number of the serialised key, headed by its length.
    pub(super) fn rsa_bits(params: &RsaPublicParams) -> usize {
        let mut bytes = Vec::new();
        match params.to_writer(&mut bytes) {
            Ok(()) => match bytes.as_slice() {
                [high, low, ..] => usize::from(*high) << 8 | usize::from(*low),
                _ => 0,
            },
            Err(_) => 0,
        }
    }
}
