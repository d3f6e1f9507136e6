//! Fingerprints of `OpenPGP` keys, computed here: gpg may be absent on the target.

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::resource::stamp::hex;

/// Fingerprint of the first key of an armored file, 40 upper-case hexadecimal digits (RFC 4880 §12.2: SHA-1 over `0x99`, the length and
/// the body of a version 4 public-key packet).
pub(super) fn fingerprint(armored: &str) -> anyhow::Result<String> {
    let binary = unarmor(armored)?;
    let body = public_key(&binary)?;
    ensure!(body.first() == Some(&4), "the key is not of version 4");
    let length = u16::try_from(body.len()).context("the key packet is too long")?;
    let hash = Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes()).chain_update(body).finalize();
    Ok(hex(&hash).to_uppercase())
}

/// Armor removed (RFC 4880 §6.2); the optional checksum line, `=` and four characters, is left out.
fn unarmor(armored: &str) -> anyhow::Result<Vec<u8>> {
    let lines = armored.lines().map(str::trim_end).skip_while(|line| *line != "-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1);
    let body: String = lines
        .skip_while(|line| !line.is_empty())
        .take_while(|line| *line != "-----END PGP PUBLIC KEY BLOCK-----")
        .filter(|line| !(line.len() == 5 && line.starts_with('=')))
        .collect();
    ensure!(!body.is_empty(), "this is no armored public key");
    STANDARD.decode(body).context("the armored key is damaged")
}

/// Body of the first packet, which must be a public key (RFC 4880 §4.2).
fn public_key(binary: &[u8]) -> anyhow::Result<&[u8]> {
    let octet = |index: usize| binary.get(index).map(|octet| usize::from(*octet)).context("the key is cut off");
    let tag = octet(0)?;
    let (kind, start, length) = match (tag & 0x40 != 0, tag & 3, octet(1)?) {
        (false, 0, length) => ((tag >> 2) & 0xf, 2, length),
        (false, 1, high) => ((tag >> 2) & 0xf, 3, high << 8 | octet(2)?),
        (true, _, length @ 0..192) => (tag & 0x3f, 2, length),
        (true, _, high @ 192..224) => (tag & 0x3f, 3, ((high - 192) << 8) + octet(2)? + 192),
        _ => bail!("the length of the key packet has an unusual form"),
    };
    ensure!(tag & 0x80 != 0 && kind == 6, "the file does not begin with a public key");
    binary.get(start..start + length).context("the key is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERS: &str = include_str!("../../../assets/docker-apt-key.asc");

    #[test]
    fn dockers_key_has_its_well_known_fingerprint() {
        assert_eq!(fingerprint(DOCKERS).unwrap(), "9DC858229FC7DD38854AE2D88D81803C0EBFCD88");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"] {
            assert!(fingerprint(text).is_err(), "{text:?}");
        }
        let message = DOCKERS.replace("mQINB", "xQINB");
        assert!(fingerprint(&message).is_err());
    }
}
