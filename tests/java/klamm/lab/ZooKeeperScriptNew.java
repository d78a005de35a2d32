package klamm.lab;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Stat;

/** The part of {@link ZooKeeperScript} that came with 3.5, and what came later. */
final class ZooKeeperScriptNew {
    private ZooKeeperScriptNew() {
    }

    static void play(ZooKeeperCast cast, String release) {
        creating(cast);
        removingWatches(cast);
        if (release.equals("3.8")) {
            counting(cast);
            persistentWatches(cast);
            replacedWatches(cast);
            readingManyAtOnce(cast);
            identities(cast);
        }
    }

    private static void creating(ZooKeeperCast cast) {
        for (CreateMode mode : new CreateMode[] {CreateMode.PERSISTENT, CreateMode.EPHEMERAL, CreateMode.CONTAINER,
            CreateMode.PERSISTENT_SEQUENTIAL, CreateMode.EPHEMERAL_SEQUENTIAL}) {
            cast.step("anna", "create2 " + mode, client -> {
                Stat stat = new Stat();
                String path = client.create("/new-" + mode, new byte[3], Ids.OPEN_ACL_UNSAFE, mode, stat);
                return path + " " + cast.show(stat);
            });
        }
        for (long ttl : new long[] {1, 1L << 40}) {
            cast.step("anna", "create with ttl " + ttl, client -> client.create("/ttl", null, Ids.OPEN_ACL_UNSAFE,
                CreateMode.PERSISTENT_WITH_TTL, new Stat(), ttl));
        }
        cast.create("anna", "/new-CONTAINER/child", "x", CreateMode.PERSISTENT);
        cast.exists("anna", "/new-CONTAINER", false);
        cast.delete("anna", "/new-CONTAINER/child", -1);
        cast.multi("anna", Op.create("/multi-container", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
            Op.create("/multi-ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 5));
        cast.multi("anna", Op.create("/multi-container", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER));
    }

    private static void removingWatches(ZooKeeperCast cast) {
        cast.create("anna", "/rm", "x", CreateMode.PERSISTENT);
        for (WatcherType type : WatcherType.values()) {
            cast.get("bert", "/rm", true);
            cast.children("bert", "/rm", true);
            removeAll(cast, "bert", "/rm", type);
            cast.set("anna", "/rm", "y", -1);
            cast.create("anna", "/rm/" + type, "x", CreateMode.PERSISTENT);
            removeAll(cast, "bert", "/rm", type);
        }
        removeAll(cast, "bert", "/never", WatcherType.Any);
    }

    private static void removeAll(ZooKeeperCast cast, String who, String path, WatcherType type) {
        cast.step(who, "remove watches " + type + " " + path, client -> {
            client.removeAllWatches(path, type, false);
            return "done";
        });
    }

    private static void counting(ZooKeeperCast cast) {
        cast.create("anna", "/n", "x", CreateMode.PERSISTENT);
        cast.create("anna", "/n/a", "x", CreateMode.PERSISTENT);
        cast.create("anna", "/n/a/b", "x", CreateMode.EPHEMERAL);
        cast.create("anna", "/nn", "x", CreateMode.EPHEMERAL);
        for (String path : new String[] {"/n", "/n/a", "/n/a/b", "/none", "/acl"}) {
            cast.step("anna", "count " + path, client -> client.getAllChildrenNumber(path));
        }
        for (String prefix : new String[] {"/n", "/n/", "/none"}) {
            cast.step("anna", "ephemerals " + prefix, client -> new TreeSet<>(client.getEphemerals(prefix)));
        }
        cast.step("bert", "ephemerals", client -> new TreeSet<>(client.getEphemerals()));
    }

    private static void persistentWatches(ZooKeeperCast cast) {
        cast.create("anna", "/p", "x", CreateMode.PERSISTENT);
        addWatch(cast, "bert", "/p", AddWatchMode.PERSISTENT);
        changes(cast, "/p");
        removeAll(cast, "bert", "/p", WatcherType.Any);
        addWatch(cast, "bert", "/p", AddWatchMode.PERSISTENT_RECURSIVE);
        addWatch(cast, "anna", "/p/a/b", AddWatchMode.PERSISTENT_RECURSIVE);
        changes(cast, "/p");
        cast.delete("anna", "/p", -1);
        cast.create("anna", "/p", "x", CreateMode.PERSISTENT);
        cast.cutOff("bert");
        cast.create("anna", "/p/missed", "x", CreateMode.PERSISTENT);
        cast.letReturn("bert");
        changes(cast, "/p");
        removeAll(cast, "bert", "/p", WatcherType.Any);
        removeAll(cast, "anna", "/p/a/b", WatcherType.Any);
        changes(cast, "/p");
    }

    private static void changes(ZooKeeperCast cast, String path) {
        cast.set("anna", path, "y", -1);
        cast.create("anna", path + "/a", "x", CreateMode.PERSISTENT);
        cast.create("anna", path + "/a/b", "x", CreateMode.PERSISTENT);
        cast.set("anna", path + "/a/b", "y", -1);
        cast.delete("anna", path + "/a/b", -1);
        cast.delete("anna", path + "/a", -1);
    }

    private static void addWatch(ZooKeeperCast cast, String who, String path, AddWatchMode mode) {
        cast.step(who, "addWatch " + mode + " " + path, client -> {
            client.addWatch(path, mode);
            return "done";
        });
    }

    /** In 3.8 a later watch of a connection on a path replaces the earlier one. */
    private static void replacedWatches(ZooKeeperCast cast) {
        cast.create("anna", "/q", "x", CreateMode.PERSISTENT);
        addWatch(cast, "bert", "/q", AddWatchMode.PERSISTENT);
        cast.get("bert", "/q", true);
        cast.set("anna", "/q", "y", -1);
        cast.set("anna", "/q", "z", -1);
        changes(cast, "/q");
        addWatch(cast, "bert", "/q", AddWatchMode.PERSISTENT_RECURSIVE);
        cast.children("bert", "/q", true);
        changes(cast, "/q");
        addWatch(cast, "bert", "/q", AddWatchMode.PERSISTENT);
        changes(cast, "/q");
        removeAll(cast, "bert", "/q", WatcherType.Any);
    }

    private static void readingManyAtOnce(ZooKeeperCast cast) {
        cast.create("anna", "/m", "data", CreateMode.PERSISTENT);
        cast.create("anna", "/m/child", "x", CreateMode.PERSISTENT);
        cast.step("anna", "multi read", client -> {
            List<String> results = new ArrayList<>();
            for (OpResult result : read(client, "/m", "/none", "/acl", "/")) {
                if (result instanceof OpResult.GetDataResult data) {
                    results.add(ZooKeeperCast.show(data.getData()) + " " + cast.show(data.getStat()));
                } else if (result instanceof OpResult.GetChildrenResult children) {
                    results.add(String.valueOf(new TreeSet<>(children.getChildren())));
                } else {
                    results.add("error " + ((OpResult.ErrorResult) result).getErr());
                }
            }
            return results;
        });
    }

    private static List<OpResult> read(ZooKeeper client, String... paths) throws Exception {
        List<Op> ops = new ArrayList<>();
        for (String path : paths) {
            ops.add(Op.getData(path));
            ops.add(Op.getChildren(path));
        }
        return client.multi(ops);
    }

    private static void identities(ZooKeeperCast cast) {
        cast.enter("kurt");
        cast.step("kurt", "who am I", ZooKeeperScriptNew::identitiesOf);
        cast.auth("kurt", "digest", "kurt:secret");
        cast.auth("kurt", "ip", "");
        cast.step("kurt", "who am I", ZooKeeperScriptNew::identitiesOf);
        cast.leave("kurt");
    }

    private static Object identitiesOf(ZooKeeper client) throws Exception {
        TreeSet<String> texts = new TreeSet<>();
        for (ClientInfo info : client.whoAmI()) {
            texts.add(info.getAuthScheme() + ":" + info.getUser());
        }
        return texts;
    }
}
