//! What is due, by texts as replicas share them.

use super::super::tests::{HOUR, NAME, is_trusted, start};
use super::*;

fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

fn new(now: SystemTime) -> Usable {
    Usable::new(KeyMaterial::new(&names(), now).unwrap()).unwrap()
}

fn due(keys: &Usable, now: SystemTime, is_trusted: bool) -> Option<Usable> {
    keys.due(&names(), now, is_trusted).unwrap().map(|next| Usable::new(next).unwrap())
}

const DAYS: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn an_authority_follows_another_in_three_steps_none_of_which_a_client_notices() {
    let first = new(start());
    assert!(
        due(&first, start() + 240 * DAYS, true).unwrap().authorities == 1,
        "the certificate alone is due"
    );
    let now = start() + 250 * DAYS;
    let announced = due(&first, now, true).unwrap();
    assert_eq!(announced.material.certificate, first.material.certificate);
    assert!(announced.is_under_way() && announced.material.authorities.contains(first.newest.bundle_pem()));

    assert!(due(&announced, now, false).is_none(), "not all clients trust the next one");
    let exchanged = due(&announced, now, true).unwrap();
    assert_eq!(exchanged.material.authorities, announced.material.authorities);
    assert!(is_trusted(announced.bundle(), &exchanged.identity, now));
    assert!(!is_trusted(first.bundle(), &exchanged.identity, now), "it is of the same authority");

    assert!(due(&exchanged, now + KEPT - Duration::from_secs(1), true).is_none());
    let alone = due(&exchanged, now + KEPT, true).unwrap();
    assert!(!alone.is_under_way());
    assert!(is_trusted(alone.bundle(), &exchanged.identity, now));
    assert!(due(&alone, now + HOUR, true).is_none());
}

#[test]
fn a_certificate_follows_another_of_the_same_authority_at_once() {
    let first = new(start());
    assert!(due(&first, start() + 99 * DAYS, false).is_none());
    let second = due(&first, start() + 101 * DAYS, false).unwrap();
    assert_eq!(second.material.authorities, first.material.authorities);
    assert_ne!(second.material.certificate, first.material.certificate);
    // A name that is not there yet is no reason to wait.
    let renamed = first.due(&["other.svc".to_owned()], start(), false).unwrap().unwrap();
    assert_eq!(Usable::new(renamed).unwrap().identity.names(), ["other.svc"]);
}

#[test]
fn a_replica_whose_clock_is_ten_minutes_off_goes_on_where_another_stopped() {
    let off = Duration::from_secs(600);
    for (one, other) in [(start(), start() + off), (start() + off, start())] {
        let first = new(one);
        assert!(due(&first, other, true).is_none());
        // Whoever goes on, the certificate is trusted before and after, by either clock.
        let (one, other) = (one + 250 * DAYS, other + 250 * DAYS);
        let announced = due(&first, one, true).unwrap();
        let exchanged = due(&announced, other, true).unwrap();
        let alone = due(&exchanged, one + 2 * KEPT, true).unwrap();
        for now in [one, other] {
            for bundle in [announced.bundle(), alone.bundle()] {
                assert!(is_trusted(bundle, &exchanged.identity, now));
            }
        }
        assert!(due(&alone, other, true).is_none());
    }
}

#[test]
fn an_authority_that_was_announced_and_never_served_with_gives_way_to_the_next() {
    let first = new(start());
    let announced = due(&first, start() + 250 * DAYS, true).unwrap();
    let much_later = due(&announced, start() + 500 * DAYS, false).unwrap();
    assert_eq!(certificates(&much_later.material.authorities).len(), 2);
    assert_eq!(much_later.issuer, first.issuer);
    assert_ne!(much_later.newest.bundle_pem(), announced.newest.bundle_pem());
}

#[test]
fn texts_that_do_not_fit_each_other_are_of_no_use() {
    let (keys, other) = (new(start()).material, new(start()).material);
    let check = |material: KeyMaterial, why: &str| {
        let error = format!("{:#}", Usable::new(material).unwrap_err());
        assert!(error.starts_with(why), "{error}");
    };
    let with = |change: fn(&mut KeyMaterial, &KeyMaterial)| {
        let mut changed = keys.clone();
        change(&mut changed, &other);
        changed
    };
    check(with(|keys, other| keys.authorities.clone_from(&other.authorities)), "`ca.crt` and `ca.key`");
    check(with(|keys, _| keys.authorities.clear()), "`ca.crt` and `ca.key`");
    check(with(|keys, other| keys.certificate.clone_from(&other.certificate)), "`tls.crt` and `tls.key`");
    check(with(|keys, _| keys.key.truncate(99)), "`tls.crt` and `tls.key`");
    let strangers = with(|keys, other| {
        keys.authorities.clone_from(&other.authorities);
        keys.authority_key.clone_from(&other.authority_key);
    });
    check(strangers, "`tls.crt` was issued by no authority in `ca.crt`");

    let mut entries = keys.entries();
    assert_eq!(KeyMaterial::from_entries(&entries).unwrap(), keys);
    entries.remove("ca.key");
    assert_eq!(KeyMaterial::from_entries(&entries).unwrap_err().to_string(), "it has no text `ca.key`");
}
