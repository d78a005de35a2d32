//! Cluster id and broker id, from every mixture of ZooKeeper, configuration and directories.

use world::MemDisk;

use super::*;
use crate::zk::fake::FakeZooKeeper;

const DIRS: [&str; 2] = ["/data/a", "/data/b"];

fn dirs() -> Vec<PathBuf> {
    DIRS.map(PathBuf::from).to_vec()
}

fn configured(broker_id: Option<i32>) -> config::broker::Identity {
    config::broker::Identity {
        broker_id: broker_id.map(BrokerId),
        generate_broker_id: true,
        reserved_broker_max_id: 1000,
        rack: None,
    }
}

/// A disk whose directories say this, and a cluster whose id is "c".
fn scene(stored: [&str; 2]) -> (MemDisk, FakeZooKeeper) {
    let disk = MemDisk::new();
    for (dir, text) in DIRS.iter().zip(stored) {
        disk.create_dir_all(Path::new(dir)).unwrap();
        if !text.is_empty() {
            disk.replace(&Path::new(dir).join(meta_properties::FILE_NAME), text.as_bytes()).unwrap();
        }
    }
    let zookeeper = FakeZooKeeper::new();
    zookeeper.put("/cluster/id", r#"{"version":"1","id":"c"}"#);
    zookeeper.put("/brokers/seqid", "");
    (disk, zookeeper)
}

async fn check(stored: [&str; 2], broker_id: Option<i32>, expected: Result<i32, &str>) {
    let (disk, zookeeper) = scene(stored);
    let settled = establish(&*zookeeper.session(), &disk, &configured(broker_id), &dirs()).await;
    match (settled, expected) {
        (Ok(identity), Ok(expected)) => {
            assert_eq!((identity.broker_id, identity.cluster_id.as_str()), (BrokerId(expected), "c"), "{stored:?}");
            assert!(identity.failed_log_dirs.is_empty());
            for dir in dirs() {
                let meta = meta_properties::read(&disk, &dir).unwrap().unwrap();
                assert_eq!((meta.broker_id, meta.cluster_id.as_deref()), (Some(BrokerId(expected)), Some("c")));
            }
        }
        (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
        (settled, _) => panic!("{stored:?}, configured {broker_id:?}: {settled:?}"),
    }
}

#[tokio::test]
async fn the_broker_id_is_the_configured_one_else_the_stored_one_else_a_new_one() {
    check(["", ""], Some(3), Ok(3)).await;
    check(["version=0\nbroker.id=7\ncluster.id=c\n", ""], None, Ok(7)).await;
    check(["version=0\nbroker.id=7\n", "version=0\ncluster.id=c\n"], Some(7), Ok(7)).await;
    check(["", ""], None, Ok(1001)).await;
}

#[tokio::test]
async fn data_of_another_cluster_or_broker_stops_the_start() {
    let other_cluster = "/data/b/meta.properties: cluster.id is x, but the cluster at zookeeper.connect is c";
    check(["", "version=0\nbroker.id=7\ncluster.id=x\n"], Some(7), Err(other_cluster)).await;
    let other_broker = "/data/a/meta.properties: broker.id is 7, but 8 is configured";
    check(["version=0\nbroker.id=7\n", ""], Some(8), Err(other_broker)).await;
    let each_other = "/data/b/meta.properties: broker.id is 8, but 7 is stored in /data/a/meta.properties";
    check(["version=0\nbroker.id=7\n", "version=0\nbroker.id=8\n"], None, Err(each_other)).await;
    check(["version=1\nnode.id=7\n", ""], None, Err("/data/a/meta.properties")).await;
}

#[tokio::test]
async fn a_directory_whose_file_makes_no_sense_fails_alone() {
    let (disk, zookeeper) = scene(["version=0\nbroker.id=7\ncluster.id=c\n", "version=0\nbroker.id=seven\n"]);
    let identity = establish(&*zookeeper.session(), &disk, &configured(None), &dirs()).await.unwrap();
    let [(dir, fault)] = &identity.failed_log_dirs[..] else { panic!("{:?}", identity.failed_log_dirs) };
    assert_eq!((identity.broker_id, dir.as_path()), (BrokerId(7), Path::new("/data/b")));
    assert_eq!(fault.to_string(), "/data/b/meta.properties is damaged: broker.id 'seven' is not a number");
}

#[tokio::test]
async fn what_is_right_already_is_not_written_and_unknown_keys_stay() {
    let (disk, zookeeper) = scene(["version=0\nbroker.id=7\ncluster.id=c\ndirectory.id=d\n", ""]);
    let zk = zookeeper.session();
    establish(&*zk, &disk, &configured(None), &dirs()).await.unwrap();
    let written = disk.operations();
    establish(&*zk, &disk, &configured(None), &dirs()).await.unwrap();
    assert_eq!(disk.operations(), written);
    let kept = meta_properties::read(&disk, Path::new("/data/a")).unwrap().unwrap();
    assert_eq!(kept.other.get("directory.id").map(String::as_str), Some("d"));
}

#[tokio::test]
async fn without_generation_an_id_must_be_given() {
    let (disk, zookeeper) = scene(["", ""]);
    let settings = config::broker::Identity { generate_broker_id: false, ..configured(None) };
    let refused = establish(&*zookeeper.session(), &disk, &settings, &dirs()).await;
    assert!(matches!(refused, Err(IdentityError::NoBrokerId)), "{refused:?}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_reported_and_the_broker_goes_on() {
    let (disk, zookeeper) = scene(["version=0\nbroker.id=7\ncluster.id=c\n", ""]);
    disk.fail_from(Some(disk.operations()));
    let identity = establish(&*zookeeper.session(), &disk, &configured(None), &dirs()).await.unwrap();
    let failed: Vec<&Path> = identity.failed_log_dirs.iter().map(|(dir, _)| dir.as_path()).collect();
    assert_eq!((identity.broker_id, failed), (BrokerId(7), vec![Path::new("/data/b")]));
}

#[test]
fn a_cluster_id_has_22_characters_and_never_starts_with_a_dash() {
    let id = random_cluster_id();
    assert!(id.len() == 22 && !id.starts_with('-') && id != random_cluster_id(), "{id}");
}
