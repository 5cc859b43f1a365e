//! What a ZooKeeper session promises, whichever arm serves it: run on the simulated one in `tests/main`, on real servers wherever one is
//! at hand. `here` and `there` are two clients (two sessions) of the same server; everything happens below `/contract`.

use std::time::Duration;

use ottla::zk::session::{CreateMode, Op, OpResult, Session, SessionState, WatchKind, Zk, ZkErrorKind};

/// Runs the whole contract; panics where it is broken. Leaves both clients closed.
pub async fn check(here: Zk, there: Zk) {
    let within = tokio::time::timeout(Duration::from_secs(60), async {
        let (a, b) = (here.session(), there.session());
        a.delete_recursive("/contract").await.unwrap();
        a.make_path("/contract").await.unwrap();
        reads_and_writes(&a).await;
        paths(&a).await;
        sequences(&a, &b).await;
        multis(&a).await;
        watches(&a, &b).await;
        many_reads(&a).await;
        ephemerals_and_generations(&here, &b).await;
        there.session().delete_recursive("/contract").await.unwrap();
        for zk in [there, here] {
            let closed = tokio::time::timeout(Duration::from_secs(2), zk.close()).await;
            closed.expect("a server that is there is told at once");
            assert_eq!(zk.session().state(), SessionState::Closed);
        }
    });
    within.await.expect("the contract takes less than a minute");
}

async fn reads_and_writes(s: &Session) {
    assert_eq!(s.get("/contract/n").await.unwrap(), None);
    assert_eq!(s.exists("/contract/n").await.unwrap(), None);
    assert_eq!(s.children("/contract/n").await.unwrap(), None);
    let (path, stat) = s.create("/contract/n", "one", CreateMode::Persistent).await.unwrap();
    assert_eq!((path.as_str(), stat.version, stat.ephemeral_owner), ("/contract/n", 0, 0));
    let again = s.create("/contract/n", "two", CreateMode::Persistent).await.unwrap_err();
    assert_eq!((again.kind, again.path.as_str(), again.after_loss), (ZkErrorKind::NodeExists, "/contract/n", false));
    let orphan = s.create("/contract/x/y", "", CreateMode::Persistent).await.unwrap_err();
    assert_eq!(orphan.kind, ZkErrorKind::NoNode);

    let set = s.set("/contract/n", "two", Some(0)).await.unwrap();
    assert_eq!((set.version, set.czxid), (1, stat.czxid));
    assert!(set.mzxid > stat.mzxid);
    assert_eq!(s.set("/contract/n", "three", Some(0)).await.unwrap_err().kind, ZkErrorKind::BadVersion);
    assert_eq!(s.set("/contract/n", "three", None).await.unwrap().version, 2);
    assert_eq!(s.set("/contract/none", "", None).await.unwrap_err().kind, ZkErrorKind::NoNode);
    let (data, stat) = s.get("/contract/n").await.unwrap().unwrap();
    assert_eq!((&data[..], stat.version, stat.num_children), (&b"three"[..], 2, 0));

    assert_eq!(s.delete("/contract/n", Some(1)).await.unwrap_err().kind, ZkErrorKind::BadVersion);
    s.create("/contract/n/child", "", CreateMode::Persistent).await.unwrap();
    assert_eq!(s.delete("/contract/n", None).await.unwrap_err().kind, ZkErrorKind::NotEmpty);
    assert_eq!(s.children("/contract/n").await.unwrap().unwrap(), ["child"]);
    s.delete("/contract/n/child", None).await.unwrap();
    s.delete("/contract/n", Some(2)).await.unwrap();
    assert_eq!(s.delete("/contract/n", None).await.unwrap_err().kind, ZkErrorKind::NoNode);
}

async fn paths(s: &Session) {
    s.create_recursive("/contract/a/b/c", "leaf").await.unwrap();
    assert!(s.get("/contract/a/b").await.unwrap().unwrap().0.is_empty(), "parents have no data");
    assert_eq!(s.create_recursive("/contract/a/b/c", "").await.unwrap_err().kind, ZkErrorKind::NodeExists);
    s.make_path("/contract/a/b/c").await.unwrap();
    assert_eq!(&s.get("/contract/a/b/c").await.unwrap().unwrap().0[..], b"leaf");
    s.make_path("/contract/a/b/d/e").await.unwrap();
    assert_eq!(s.children("/contract/a/b").await.unwrap().unwrap(), ["c", "d"]);
    assert!(s.delete_recursive("/contract/a").await.unwrap());
    assert!(!s.delete_recursive("/contract/a").await.unwrap());
}

async fn sequences(a: &Session, b: &Session) {
    a.make_path("/contract/q").await.unwrap();
    let mut made = Vec::new();
    for s in [a, b, a] {
        made.push(s.create("/contract/q/n_", "x", CreateMode::PersistentSequential).await.unwrap().0);
    }
    assert_eq!(made, ["/contract/q/n_0000000000", "/contract/q/n_0000000001", "/contract/q/n_0000000002"]);
    a.delete("/contract/q/n_0000000002", None).await.unwrap();
    let next = a.create("/contract/q/n_", "x", CreateMode::PersistentSequential).await.unwrap().0;
    assert_eq!(next, "/contract/q/n_0000000003", "a number is never given twice");
}

async fn multis(s: &Session) {
    let done = s
        .multi(&[
            Op::create("/contract/m", "0"),
            Op::create("/contract/m/k", ""),
            Op::check("/contract/m", 0),
            Op::set("/contract/m", "1", Some(0)),
            Op::delete("/contract/m/k", None),
        ])
        .await
        .unwrap();
    assert_eq!(done.len(), 5);
    assert_eq!(done[0], OpResult::Created { path: "/contract/m".into() });
    assert_eq!(done[2], OpResult::Checked);
    let OpResult::Set { stat } = &done[3] else { panic!("{:?}", done[3]) };
    assert_eq!(stat.version, 1);
    assert_eq!(stat.czxid, s.exists("/contract/m").await.unwrap().unwrap().czxid);

    let refused = s
        .multi(&[Op::set("/contract/m", "2", Some(1)), Op::check("/contract/m", 1), Op::delete("/contract/none", None)])
        .await
        .unwrap_err();
    assert_eq!((refused.kind, refused.op, refused.path.as_str()), (ZkErrorKind::BadVersion, Some(1), "/contract/m"));
    let refused =
        s.multi(&[Op::set("/contract/m", "2", Some(1)), Op::delete("/contract/none", None)]).await.unwrap_err();
    assert_eq!((refused.kind, refused.op, refused.path.as_str()), (ZkErrorKind::NoNode, Some(1), "/contract/none"));
    assert_eq!(&s.get("/contract/m").await.unwrap().unwrap().0[..], b"1", "a refused multi does nothing");
    let refused = s.multi(&[Op::check("/contract/m", 9), Op::set("/contract/m", "2", None)]).await.unwrap_err();
    assert_eq!((refused.kind, refused.op), (ZkErrorKind::BadVersion, Some(0)));
    assert_eq!(s.multi(&[]).await.unwrap(), []);
}

async fn watches(a: &Session, b: &Session) {
    let (none, created) = a.get_and_watch("/contract/w").await.unwrap();
    assert_eq!(none, None);
    let (children, parent) = a.children_and_watch("/contract/w").await.unwrap();
    assert_eq!(children, None);
    b.create("/contract/w", "0", CreateMode::Persistent).await.unwrap();
    assert_eq!(created.await.kind, WatchKind::Created);
    assert_eq!(parent.await.kind, WatchKind::Created);

    let (some, changed) = a.get_and_watch("/contract/w").await.unwrap();
    assert_eq!(&some.unwrap().0[..], b"0");
    let (children, child) = a.children_and_watch("/contract/w").await.unwrap();
    assert_eq!(children.unwrap().len(), 0);
    b.set("/contract/w", "1", None).await.unwrap();
    let event = changed.await;
    assert_eq!((event.kind, event.path.as_str()), (WatchKind::DataChanged, "/contract/w"));
    b.create("/contract/w/c", "", CreateMode::Persistent).await.unwrap();
    assert_eq!(child.await.kind, WatchKind::ChildrenChanged);

    let (_, exists) = a.exists_and_watch("/contract/w").await.unwrap();
    let (_, data) = a.get_and_watch("/contract/w").await.unwrap();
    let (_, child) = a.children_and_watch("/contract/w").await.unwrap();
    b.set("/contract/w/c", "a child's data wakes nobody", None).await.unwrap();
    b.delete_recursive("/contract/w").await.unwrap();
    assert_eq!(exists.await.kind, WatchKind::Deleted);
    assert_eq!(data.await.kind, WatchKind::Deleted);
    assert!(matches!(child.await.kind, WatchKind::ChildrenChanged | WatchKind::Deleted));

    // A dropped watch is gone, and the next on the same node works.
    let (_, dropped) = a.exists_and_watch("/contract/w").await.unwrap();
    drop(dropped);
    let (_, kept) = a.exists_and_watch("/contract/w").await.unwrap();
    b.create("/contract/w", "", CreateMode::Persistent).await.unwrap();
    assert_eq!(kept.await.kind, WatchKind::Created);
}

async fn many_reads(s: &Session) {
    s.make_path("/contract/many").await.unwrap();
    let ops: Vec<Op> = (0..700).map(|i| Op::create(format!("/contract/many/{i}"), i.to_string())).collect();
    s.multi(&ops).await.unwrap();
    let paths: Vec<String> = (0..702).map(|i| format!("/contract/many/{i}")).collect();
    let found = s.get_all(&paths).await.unwrap();
    for (i, found) in found.iter().enumerate().take(700) {
        assert_eq!(found.as_ref().unwrap().0, i.to_string().as_bytes());
    }
    assert_eq!(found[700..], [None, None]);
    let children = s.children_all(&["/contract/many".into(), "/contract/none".into()]).await.unwrap();
    assert_eq!(children[0].as_ref().unwrap().len(), 700);
    assert!(children[0].as_ref().unwrap().is_sorted());
    assert_eq!(children[1], None);
}

async fn ephemerals_and_generations(here: &Zk, b: &Session) {
    let a = here.session();
    let (_, stat) = a.create("/contract/e", "mine", CreateMode::Ephemeral).await.unwrap();
    assert_eq!(stat.owner(), Some(a.id()));
    assert_ne!(a.id(), b.id());
    assert_eq!(
        a.create("/contract/e/c", "", CreateMode::Persistent).await.unwrap_err().kind,
        ZkErrorKind::NoChildrenForEphemerals
    );
    let (_, gone) = b.exists_and_watch("/contract/e").await.unwrap();
    let (_, lost) = a.exists_and_watch("/contract/e").await.unwrap();
    let generations = here.generations();
    let new = here.reopen().await.unwrap();
    assert_eq!(gone.await.kind, WatchKind::Deleted);
    assert!(matches!(lost.await.kind, WatchKind::SessionLost | WatchKind::Deleted));
    assert_eq!(a.state(), SessionState::Closed);
    assert_eq!(a.get("/contract").await.unwrap_err().kind, ZkErrorKind::Closed, "an old session serves nothing");
    assert_eq!((a.generation() + 1, new.state()), (new.generation(), SessionState::Connected));
    assert!(generations.has_changed().unwrap());
    assert_eq!(here.session().id(), new.id());
    assert_ne!(a.id(), new.id());
    assert!(new.exists("/contract").await.unwrap().is_some());
}
