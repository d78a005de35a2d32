package klamm.lab;

import java.util.TreeSet;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ClientInfo;

/**
 * What the user of a login configuration (section {@code Client}) may do on a server with SASL, as a text.
 *
 * <p>Arguments: the server's {@code host:port} and a path that this run may use.
 */
public final class ZooKeeperSasl {
    private ZooKeeperSasl() {
    }

    public static void main(String[] args) {
        String path = args[1];
        try (ZooKeeperCast cast = new ZooKeeperCast(args[0])) {
            if (!cast.enterIfBelieved("user")) {
                return;
            }
            cast.step("user", "who am I", ZooKeeperSasl::identities);
            cast.createWith("user", path, Ids.CREATOR_ALL_ACL);
            cast.getAcl("user", path);
            cast.createWith("user", path + "-of-bob", ZooKeeperScript.with(Perms.ALL, "sasl", "bob"));
            cast.get("user", path + "-of-bob", false);
            cast.createWith("user", path + "-odd", ZooKeeperScript.with(Perms.ALL, "sasl", "a@b@c"));
            System.setProperty("zookeeper.sasl.client", "false");
            cast.enter("stranger");
            cast.step("stranger", "who am I", ZooKeeperSasl::identities);
            cast.get("stranger", path, false);
            cast.get("stranger", path + "-of-bob", false);
            cast.auth("stranger", "digest", "super:test");
            cast.step("stranger", "who am I", ZooKeeperSasl::identities);
            cast.get("stranger", path, false);
            cast.authFails("stranger", "sasl", "bob");
        }
    }

    private static Object identities(ZooKeeper client) throws Exception {
        TreeSet<String> texts = new TreeSet<>();
        for (ClientInfo info : client.whoAmI()) {
            texts.add(info.getAuthScheme() + ":" + info.getUser());
        }
        return texts;
    }
}
