//! Replicas and their Secret: who writes what, and what is served meanwhile.

use portcullis_cluster::SharedSecret;

use super::super::tests::{HOUR, NAME, start};
use super::*;

fn replica() -> SharedKeys {
    SharedKeys::new(vec![NAME.to_owned()])
}

fn present(material: &KeyMaterial, version: &str) -> Arc<KnownSecret> {
    let mut secret = SharedSecret { data: material.entries(), ..SharedSecret::default() };
    secret.metadata.resource_version = version.into();
    Arc::new(KnownSecret::Present(secret))
}

fn leading() -> Trust {
    Trust::Written(Vec::new())
}

#[test]
fn the_first_replica_makes_the_secret_and_the_others_take_what_is_there() {
    let (mut first, mut second) = (replica(), replica());
    assert_eq!(first.follow(&Arc::default(), &leading(), start()).unwrap(), None, "nothing is known yet");
    let absent = Arc::new(KnownSecret::Absent);
    let made = first.follow(&absent, &Trust::ByOther, start()).unwrap().unwrap();
    let Write::Create(material) = made else { panic!("{made:?}") };
    assert!(first.good().is_none(), "another one may have been quicker");
    assert_eq!(first.follow(&absent, &Trust::ByOther, start()).unwrap(), None, "it is not made twice");
    for replica in [&mut first, &mut second] {
        assert_eq!(replica.follow(&present(&material, "1"), &leading(), start()).unwrap(), None);
        assert_eq!(replica.good().unwrap().material, material);
    }
    first.not_written();
    assert!(first.follow(&absent, &Trust::ByOther, start()).unwrap().is_some());
}

#[test]
fn a_secret_that_is_deleted_or_spoilt_is_put_back_and_the_certificate_in_use_stays() {
    let material = KeyMaterial::new(&[NAME.to_owned()], start()).unwrap();
    let mut spoilt = material.clone();
    spoilt.key.truncate(99);
    let (mut leader, mut other) = (replica(), replica());
    for replica in [&mut leader, &mut other] {
        replica.follow(&present(&material, "1"), &Trust::ByOther, start()).unwrap();
    }
    let absent = Arc::new(KnownSecret::Absent);
    let put_back = Some(Write::Create(material.clone()));
    assert_eq!(other.follow(&absent, &Trust::ByOther, start()).unwrap(), put_back);

    let spoilt = present(&spoilt, "3");
    let mended = Some(Write::Update(material.clone(), "3".to_owned()));
    assert_eq!(leader.follow(&spoilt, &leading(), start()).unwrap(), mended);
    assert_eq!(other.follow(&spoilt, &Trust::ByOther, start()).unwrap(), None, "who leads mends it");
    for replica in [&leader, &other] {
        assert_eq!(replica.good().unwrap().material, material);
    }
    // Who has served nothing yet has nothing to put back.
    let mut new = replica();
    let made = new.follow(&spoilt, &leading(), start()).unwrap().unwrap();
    assert!(matches!(made, Write::Update(made, _) if made != material));
    assert!(new.good().is_none());
}

#[test]
fn what_has_expired_takes_the_place_of_nothing_that_has_not() {
    let names = [NAME.to_owned()];
    let later = start() + HOUR * 24 * 200;
    let (expired, valid) =
        (KeyMaterial::new(&names, start()).unwrap(), KeyMaterial::new(&names, later).unwrap());
    let mut leader = replica();
    leader.follow(&present(&valid, "1"), &leading(), later).unwrap();
    let put_back = Some(Write::Update(valid.clone(), "2".to_owned()));
    assert_eq!(leader.follow(&present(&expired, "2"), &leading(), later).unwrap(), put_back);
    assert_eq!(leader.good().unwrap().material, valid);
    // Who has nothing else begins with it, and renews it.
    let mut new = replica();
    let renewed = new.follow(&present(&expired, "2"), &leading(), later).unwrap();
    assert!(matches!(renewed, Some(Write::Update(next, _)) if next != expired));
    assert_eq!(new.good().unwrap().material, expired);
}

#[test]
fn only_who_leads_renews() {
    let material = KeyMaterial::new(&[NAME.to_owned()], start()).unwrap();
    let later = start() + std::time::Duration::from_secs(101 * 24 * 60 * 60);
    let known = present(&material, "1");
    assert_eq!(replica().follow(&known, &Trust::ByOther, later).unwrap(), None);
    let renewed = replica().follow(&known, &leading(), later).unwrap();
    assert!(matches!(renewed, Some(Write::Update(next, version)) if next != material && version == "1"));
}
