package klamm.lab;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/**
 * What Java's ZooKeeper client finds on a server, as a text that is the same for any server that behaves the same:
 * results, errors, stats but for times and ids, and the watch events of each client in their order.
 *
 * <p>Arguments: the server's {@code host:port}, then the client's release: {@code 3.5} leaves out what that client does
 * not know and {@code 3.8} does. The server must be empty.
 */
public final class ZooKeeperScript {
    private final ZooKeeperCast cast;

    private ZooKeeperScript(ZooKeeperCast cast) {
        this.cast = cast;
    }

    public static void main(String[] args) throws Exception {
        try (ZooKeeperCast cast = new ZooKeeperCast(args[0])) {
            ZooKeeperScript script = new ZooKeeperScript(cast);
            cast.enter("anna");
            cast.enter("bert");
            script.znodes();
            script.sequences();
            script.ephemerals();
            script.transactions();
            script.watches();
            script.accessControl();
            script.chroot();
            script.badPaths();
            script.reconnection();
            script.sessions();
            ZooKeeperScriptNew.play(cast, args[1]);
            script.chance(400);
        }
    }

    private void znodes() {
        String a = "anna";
        cast.create(a, "/z", "one", CreateMode.PERSISTENT);
        cast.create(a, "/z", "two", CreateMode.PERSISTENT);
        cast.create(a, "/none/z", "x", CreateMode.PERSISTENT);
        cast.create(a, "/z/null", null, CreateMode.PERSISTENT);
        cast.create(a, "/z/empty", "", CreateMode.PERSISTENT);
        cast.get(a, "/z/null", false);
        cast.get(a, "/z/empty", false);
        cast.set(a, "/z", "three", 0);
        cast.set(a, "/z", "four", 0);
        cast.set(a, "/z", "five", -1);
        cast.set(a, "/none", "x", -1);
        cast.get("bert", "/z", false);
        cast.exists("bert", "/z", false);
        cast.exists("bert", "/none", false);
        cast.children("bert", "/z", false);
        cast.children("bert", "/", false);
        cast.children("bert", "/none", false);
        cast.delete(a, "/z", -1);
        cast.delete(a, "/z/null", 7);
        cast.delete(a, "/z/null", 0);
        cast.delete(a, "/z/null", -1);
        cast.delete(a, "/", -1);
        cast.delete(a, "/zookeeper", -1);
        cast.delete(a, "/zookeeper/quota", -1);
        cast.get(a, "/", false);
        cast.get(a, "/zookeeper/config", false);
        cast.set(a, "/", "root", -1);
        cast.get(a, "/", false);
        cast.create(a, "/zookeeper/mine", "x", CreateMode.PERSISTENT);
        cast.delete(a, "/zookeeper/mine", -1);
        cast.step(a, "sync /z", client -> cast.sync(client));
    }

    private void sequences() {
        String a = "anna";
        cast.create(a, "/s", "", CreateMode.PERSISTENT);
        for (int i = 0; i < 3; i++) {
            cast.create(a, "/s/n-", "x", CreateMode.PERSISTENT_SEQUENTIAL);
            cast.create("bert", "/s/", "x", CreateMode.PERSISTENT_SEQUENTIAL);
        }
        cast.delete(a, "/s/n-0000000000", -1);
        cast.create(a, "/s/e-", "x", CreateMode.EPHEMERAL_SEQUENTIAL);
        cast.create(a, "/s", "x", CreateMode.PERSISTENT_SEQUENTIAL);
        cast.children(a, "/s", false);
        cast.children(a, "/", false);
        cast.exists(a, "/s", false);
    }

    private void ephemerals() {
        String a = "anna";
        cast.create(a, "/e", "x", CreateMode.PERSISTENT);
        cast.enter("carl");
        cast.create("carl", "/e/one", "x", CreateMode.EPHEMERAL);
        cast.create("carl", "/e/two", "x", CreateMode.EPHEMERAL);
        cast.create("carl", "/e/one/child", "x", CreateMode.PERSISTENT);
        cast.create("anna", "/e/one", "x", CreateMode.EPHEMERAL);
        cast.exists(a, "/e/one", true);
        cast.children(a, "/e", true);
        cast.delete("bert", "/e/two", -1);
        cast.children(a, "/e", true);
        cast.leave("carl");
        cast.exists(a, "/e/one", false);
        cast.exists(a, "/e", false);
    }

    private void transactions() {
        List<ACL> open = Ids.OPEN_ACL_UNSAFE;
        CreateMode persistent = CreateMode.PERSISTENT;
        cast.children("bert", "/", true);
        cast.multi("anna", Op.create("/t", null, open, persistent), Op.create("/t/a", bytes("1"), open, persistent),
            Op.setData("/t/a", bytes("2"), 0), Op.check("/t/a", 1), Op.delete("/t/a", 1));
        cast.multi("anna", Op.create("/u", null, open, persistent), Op.setData("/t", null, 9), Op.delete("/t", -1));
        cast.multi("anna", Op.check("/none", 0));
        cast.multi("anna", Op.check("/t", -1));
        cast.multi("anna", Op.create("/t/n", null, open, CreateMode.PERSISTENT_SEQUENTIAL),
            Op.create("/t/n", null, open, CreateMode.EPHEMERAL_SEQUENTIAL));
        cast.multi("anna", Op.create("/t/e", null, open, CreateMode.EPHEMERAL),
            Op.create("/t/e/x", null, open, persistent));
        cast.multi("anna", Op.delete("/t", -1), Op.create("/t", null, open, persistent));
        cast.multi("anna", Op.create("/t/x", null, new ArrayList<>(), persistent));
        cast.multi("anna");
        cast.children("anna", "/t", false);
        cast.exists("anna", "/t", false);
    }

    private void watches() {
        cast.create("anna", "/w", "x", CreateMode.PERSISTENT);
        cast.get("bert", "/w", true);
        cast.children("bert", "/w", true);
        cast.exists("bert", "/w/late", true);
        cast.exists("anna", "/w/late", true);
        cast.create("anna", "/w/late", "x", CreateMode.PERSISTENT);
        cast.set("anna", "/w", "y", -1);
        cast.set("anna", "/w", "z", -1);
        cast.get("bert", "/w/late", true);
        cast.children("bert", "/w/late", true);
        cast.delete("anna", "/w/late", -1);
        cast.get("bert", "/w/none", true);
        cast.children("bert", "/w/none", true);
        cast.create("anna", "/w/none", "x", CreateMode.PERSISTENT);
        cast.get("anna", "/w", true);
        cast.set("anna", "/w", "by myself", -1);
        cast.get("bert", "/w", true);
        cast.setAcl("anna", "/w", Ids.OPEN_ACL_UNSAFE, -1);
        cast.set("anna", "/w", "after the ACL", -1);
        cast.children("bert", "/w", true);
        cast.set("anna", "/w/none", "no child of it", -1);
        cast.multi("anna", Op.delete("/w/none", -1), Op.create("/w/none", null, Ids.OPEN_ACL_UNSAFE,
            CreateMode.PERSISTENT), Op.setData("/w", bytes("m"), -1));
    }

    private void accessControl() {
        cast.enter("dora");
        cast.auth("dora", "digest", "dora:secret");
        cast.createWith("dora", "/acl", Ids.CREATOR_ALL_ACL);
        cast.getAcl("dora", "/acl");
        cast.getAcl("anna", "/acl");
        cast.get("anna", "/acl", false);
        cast.set("anna", "/acl", "x", -1);
        cast.children("anna", "/acl", false);
        cast.exists("anna", "/acl", false);
        cast.create("anna", "/acl/child", "x", CreateMode.PERSISTENT);
        cast.createWith("dora", "/acl/read", Ids.READ_ACL_UNSAFE);
        cast.get("anna", "/acl/read", true);
        cast.set("dora", "/acl/read", "x", -1);
        cast.setAcl("dora", "/acl/read", Ids.OPEN_ACL_UNSAFE, -1);
        cast.delete("anna", "/acl/read", -1);
        cast.setAcl("dora", "/acl", with(Perms.READ, "world", "anyone", Perms.ADMIN, "digest", "dora:x"), 5);
        cast.setAcl("dora", "/acl", with(Perms.READ, "world", "anyone", Perms.ALL, "auth", ""), 0);
        cast.getAcl("anna", "/acl");
        cast.getAcl("dora", "/acl");
        cast.setAcl("anna", "/acl", Ids.OPEN_ACL_UNSAFE, -1);
        cast.setAcl("dora", "/none", Ids.OPEN_ACL_UNSAFE, -1);
        cast.getAcl("dora", "/none");
        cast.createWith("anna", "/acl-none", Ids.CREATOR_ALL_ACL);
        for (String[] id : new String[][] {{"ip", "127.0.0.1"}, {"ip", "10.0.0.0/8"}, {"ip", "10.0.0.0/33"}, {"ip", "x"},
            {"ip", "::1"}, {"world", "me"}, {"digest", "a"}, {"digest", "a:"}, {"digest", "a:b"}, {"sasl", "a"},
            {"none", "a"}, {"super", ""}}) {
            String path = "/acl-" + id[0] + "-" + id[1].hashCode();
            cast.createWith("anna", path, with(Perms.ALL, id[0], id[1]));
            cast.get("anna", path, false);
        }
        cast.enter("eva");
        cast.auth("eva", "digest", "dora:wrong");
        cast.get("eva", "/acl", false);
        cast.set("eva", "/acl", "x", -1);
        cast.auth("eva", "digest", "dora:secret");
        cast.set("eva", "/acl", "x", -1);
        cast.authFails("eva", "kerberos", "x");
        cast.leave("dora");
    }

    private void chroot() {
        cast.create("anna", "/root", "x", CreateMode.PERSISTENT);
        cast.enterAt("fred", "/root");
        cast.create("fred", "/inside", "x", CreateMode.PERSISTENT);
        cast.exists("fred", "/late", true);
        cast.children("fred", "/", true);
        cast.create("anna", "/root/late", "x", CreateMode.PERSISTENT);
        cast.children("anna", "/root", false);
        cast.leave("fred");
        cast.enterAt("gina", "/missing");
        cast.create("gina", "/x", "x", CreateMode.PERSISTENT);
        cast.children("gina", "/", false);
        cast.leave("gina");
    }

    /** The client refuses most of them itself; the others are the server's. */
    private void badPaths() {
        for (String path : new String[] {"", "x", "//", "/x/", "/./x", "/x/..", "/\u0001", "/\u007f", "/\ud83d\ude00",
            "/\ufff0", "/\ue000", "/ä", "/...", "/" + "l".repeat(5000), "/a\u0000b"}) {
            cast.create("anna", path, "x", CreateMode.PERSISTENT);
            cast.exists("anna", path, false);
            cast.delete("anna", path, -1);
        }
        cast.create("anna", "/big", "b".repeat(1_040_000), CreateMode.PERSISTENT);
        cast.exists("anna", "/big", false);
        cast.delete("anna", "/big", -1);
    }

    /** A client that loses its connection for a while hears on its return what it missed, and keeps its session. */
    private void reconnection() {
        cast.create("anna", "/r", "x", CreateMode.PERSISTENT);
        cast.create("anna", "/r/old", "x", CreateMode.PERSISTENT);
        cast.create("anna", "/r/same", "x", CreateMode.PERSISTENT);
        cast.enter("hugo");
        cast.create("hugo", "/r/mine", "x", CreateMode.EPHEMERAL);
        cast.get("hugo", "/r", true);
        cast.get("hugo", "/r/old", true);
        cast.get("hugo", "/r/same", true);
        cast.children("hugo", "/r", true);
        cast.exists("hugo", "/r/new", true);
        cast.exists("hugo", "/r/never", true);
        cast.cutOff("hugo");
        cast.set("anna", "/r", "y", -1);
        cast.create("anna", "/r/new", "x", CreateMode.PERSISTENT);
        cast.delete("anna", "/r/old", -1);
        cast.letReturn("hugo");
        cast.exists("hugo", "/r/mine", false);
        cast.set("anna", "/r/same", "y", -1);
        cast.create("anna", "/r/never", "x", CreateMode.PERSISTENT);
        cast.leave("hugo");
    }

    private void sessions() {
        cast.enter("ines");
        cast.create("ines", "/i", "x", CreateMode.EPHEMERAL);
        cast.takeOver("ines", "jack");
        cast.exists("jack", "/i", false);
        cast.exists("anna", "/i", true);
        cast.takeOverWithWrongPassword("jack");
        cast.exists("jack", "/i", false);
        cast.leave("jack");
        cast.exists("anna", "/i", false);
    }

    private void chance(int steps) {
        String[] paths = {"/c", "/c/a", "/c/a/b", "/c/d", "/c/a/e", "/c/zz"};
        CreateMode[] modes = {CreateMode.PERSISTENT, CreateMode.PERSISTENT, CreateMode.EPHEMERAL,
            CreateMode.PERSISTENT_SEQUENTIAL};
        Random random = new Random(4);
        for (int i = 0; i < steps; i++) {
            String who = random.nextBoolean() ? "anna" : "bert";
            String path = paths[random.nextInt(paths.length)];
            boolean watch = random.nextBoolean();
            int version = random.nextInt(4) - 1;
            switch (random.nextInt(11) - 2) {
                case -2, -1, 0, 1 -> cast.create(who, path, "x", modes[random.nextInt(modes.length)]);
                case 2 -> cast.delete(who, path, version);
                case 3 -> cast.set(who, path, "v" + i, version);
                case 4 -> cast.get(who, path, watch);
                case 5 -> cast.exists(who, path, watch);
                case 6 -> cast.children(who, path, watch);
                case 7 -> cast.multi(who, Op.create(path, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                    Op.setData(path, bytes("m"), version), Op.check(paths[random.nextInt(paths.length)], -1));
                default -> cast.multi(who, Op.delete(path, version), Op.delete(paths[random.nextInt(paths.length)], -1));
            }
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    /** An ACL of perms, scheme, id, and again. */
    static List<ACL> with(Object... parts) {
        List<ACL> acl = new ArrayList<>();
        for (int i = 0; i < parts.length; i += 3) {
            acl.add(new ACL((int) parts[i], new Id((String) parts[i + 1], (String) parts[i + 2])));
        }
        return acl;
    }

    /** A stat as text, without times and ids; {@code owner} names the session of an ephemeral node. */
    static String show(Stat stat, String owner) {
        if (stat == null) {
            return "nothing";
        }
        String order = "c" + relation(stat.getCzxid(), stat.getMzxid()) + "m c" + relation(stat.getCzxid(), stat.getPzxid())
            + "p m" + relation(stat.getMzxid(), stat.getPzxid()) + "p";
        return order + " v" + stat.getVersion() + " c" + stat.getCversion() + " a" + stat.getAversion() + " owner " + owner
            + " " + stat.getDataLength() + " bytes " + stat.getNumChildren() + " children"
            + (stat.getCtime() > stat.getMtime() ? " time went back" : "");
    }

    private static String relation(long a, long b) {
        return a < b ? "<" : a == b ? "=" : ">";
    }
}
