package klamm.lab;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/**
 * Clients with names, and what they do and hear, printed. After each step every client waits until all that the server
 * told it before has arrived, so that the same server always makes the same text.
 */
final class ZooKeeperCast implements AutoCloseable {
    private static final int LIMIT_S = 30;
    private static final int SESSION_MS = 20_000;

    private final String address;
    private final Map<String, Player> players = new LinkedHashMap<>();

    ZooKeeperCast(String address) {
        this.address = address;
    }

    /** One thing to do with a client. */
    interface Deed {
        Object with(ZooKeeper client) throws Exception;
    }

    /** A client behind a gate that can be shut. */
    private static final class Player implements Watcher {
        final Gate gate;
        final List<String> heard = new ArrayList<>();
        ZooKeeper client;
        private KeeperState state = KeeperState.Disconnected;

        Player(Gate gate) {
            this.gate = gate;
        }

        @Override
        public synchronized void process(WatchedEvent event) {
            if (event.getState() == KeeperState.SaslAuthenticated) {
                heard.add("that it is authenticated");
                notifyAll();
            } else if (event.getType() == Event.EventType.None) {
                state = event.getState();
                notifyAll();
            } else {
                heard.add(event.getType() + " " + event.getPath());
            }
        }

        synchronized void await(KeeperState wanted) throws InterruptedException {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_S);
            while (state != wanted) {
                long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
                if (left <= 0) {
                    throw new IllegalStateException("still " + state + ", not " + wanted);
                }
                wait(left);
            }
        }

        /** Waits until this was heard or that state has come. */
        synchronized KeeperState awaitEither(String news, KeeperState wanted) throws InterruptedException {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_S);
            while (state != wanted && !heard.contains(news)) {
                long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
                if (left <= 0) {
                    throw new IllegalStateException("still " + state + ", heard " + heard);
                }
                wait(left);
            }
            return state;
        }

        synchronized boolean is(KeeperState wanted) {
            return state == wanted;
        }

        synchronized List<String> takeHeard() {
            List<String> taken = new ArrayList<>(heard);
            heard.clear();
            return taken;
        }
    }

    void enter(String who) {
        enterAt(who, "");
    }

    void enterAt(String who, String chroot) {
        join(who, chroot, 0, null);
    }

    /** Enters, unless the server does not believe who it is. */
    boolean enterIfBelieved(String who) {
        Player player = new Player(new Gate(address));
        try {
            player.client = new ZooKeeper(player.gate.address(), SESSION_MS, player);
            KeeperState state = player.awaitEither("that it is authenticated", KeeperState.AuthFailed);
            System.out.println(who + " is " + (state == KeeperState.AuthFailed ? "not believed" : "believed"));
            if (state != KeeperState.AuthFailed) {
                players.put(who, player);
                return true;
            }
            player.client.close();
            player.gate.close();
            return false;
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(who, e);
        }
    }

    private void join(String who, String chroot, long session, byte[] password) {
        try {
            Player player = new Player(new Gate(address));
            players.put(who, player);
            String connect = player.gate.address() + chroot;
            player.client = session == 0
                ? new ZooKeeper(connect, SESSION_MS, player)
                : new ZooKeeper(connect, SESSION_MS, player, session, password);
            player.await(KeeperState.SyncConnected);
            System.out.println(who + " enters, timeout " + player.client.getSessionTimeout());
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(who, e);
        }
    }

    void leave(String who) {
        step(who, "close", client -> {
            client.close();
            return "";
        });
        players.remove(who).gate.close();
    }

    /** Another client goes on with the session of this one. */
    void takeOver(String who, String heir) {
        Player player = players.remove(who);
        // It must not come back and take its session again.
        player.gate.close();
        join(heir, "", player.client.getSessionId(), player.client.getSessionPasswd());
        System.out.println(heir + " has the session of " + who);
    }

    void takeOverWithWrongPassword(String who) {
        Player owner = players.get(who);
        Player thief = new Player(new Gate(address));
        try {
            byte[] password = owner.client.getSessionPasswd().clone();
            password[0] ^= 1;
            thief.client = new ZooKeeper(thief.gate.address(), SESSION_MS, thief, owner.client.getSessionId(), password);
            thief.await(KeeperState.Expired);
            System.out.println("whoever has no password finds the session expired");
            thief.gate.close();
            // Apache's server closes the owner's connection all the same, before it looks at the password.
            do {
                owner.await(KeeperState.SyncConnected);
            } while (sync(owner.client) != KeeperException.Code.OK);
        } catch (Exception e) {
            throw new IllegalStateException(who, e);
        }
    }

    void cutOff(String who) {
        Player player = players.get(who);
        player.gate.shut();
        try {
            player.await(KeeperState.Disconnected);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        System.out.println(who + " is cut off");
    }

    void letReturn(String who) {
        Player player = players.get(who);
        player.gate.open();
        try {
            player.await(KeeperState.SyncConnected);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        step(who, "return", this::sync);
    }

    void auth(String who, String scheme, String auth) {
        step(who, "auth " + scheme, client -> {
            client.addAuthInfo(scheme, auth.getBytes(StandardCharsets.UTF_8));
            return sync(client);
        });
    }

    /** An auth that the server refuses ends the client. */
    void authFails(String who, String scheme, String auth) {
        Player player = players.remove(who);
        player.client.addAuthInfo(scheme, auth.getBytes(StandardCharsets.UTF_8));
        try {
            player.await(KeeperState.AuthFailed);
            System.out.println(who + " is refused");
            player.client.close();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        player.gate.close();
    }

    void create(String who, String path, String data, CreateMode mode) {
        byte[] bytes = data == null ? null : data.getBytes(StandardCharsets.UTF_8);
        step(who, "create " + mode + " " + path, client -> client.create(path, bytes, Ids.OPEN_ACL_UNSAFE, mode));
    }

    void createWith(String who, String path, List<ACL> acl) {
        step(who, "create " + path + " with " + show(acl),
            client -> client.create(path, new byte[0], acl, CreateMode.PERSISTENT));
    }

    void delete(String who, String path, int version) {
        step(who, "delete " + path + " " + version, client -> {
            client.delete(path, version);
            return "done";
        });
    }

    void exists(String who, String path, boolean watch) {
        step(who, "exists " + path + (watch ? " watch" : ""), client -> show(client.exists(path, watch)));
    }

    void get(String who, String path, boolean watch) {
        step(who, "get " + path + (watch ? " watch" : ""), client -> {
            Stat stat = new Stat();
            byte[] data = client.getData(path, watch, stat);
            return show(data) + " " + show(stat);
        });
    }

    void set(String who, String path, String data, int version) {
        step(who, "set " + path + " " + version,
            client -> show(client.setData(path, data.getBytes(StandardCharsets.UTF_8), version)));
    }

    void children(String who, String path, boolean watch) {
        step(who, "children " + path + (watch ? " watch" : ""), client -> {
            Stat stat = new Stat();
            return new TreeSet<>(client.getChildren(path, watch, stat)) + " " + show(stat);
        });
    }

    void getAcl(String who, String path) {
        step(who, "getAcl " + path, client -> {
            Stat stat = new Stat();
            return show(client.getACL(path, stat)) + " " + show(stat);
        });
    }

    void setAcl(String who, String path, List<ACL> acl, int version) {
        step(who, "setAcl " + path + " " + show(acl) + " " + version,
            client -> show(client.setACL(path, acl, version)));
    }

    void multi(String who, Op... ops) {
        StringBuilder text = new StringBuilder("multi");
        for (Op op : ops) {
            text.append(' ').append(op.getType()).append(':').append(op.getPath());
        }
        step(who, text.toString(), client -> {
            try {
                return show(client.multi(List.of(ops)));
            } catch (KeeperException e) {
                return e.code() + (e.getResults() == null ? "" : " " + show(e.getResults()));
            }
        });
    }

    /** Does something and prints what came of it and what everybody heard. */
    void step(String who, String what, Deed deed) {
        String result;
        try {
            result = String.valueOf(deed.with(players.get(who).client));
        } catch (KeeperException e) {
            result = e.code() + (e.getPath() == null ? "" : " for " + brief(e.getPath()));
        } catch (IllegalArgumentException e) {
            result = "the client refuses it";
        } catch (Exception e) {
            throw new IllegalStateException(who + " " + what, e);
        }
        System.out.println(who + " " + brief(what) + " = " + brief(result));
        for (Map.Entry<String, Player> player : players.entrySet()) {
            if (player.getValue().client.getState().isAlive() && player.getValue().is(KeeperState.SyncConnected)) {
                catchUp(player.getValue().client);
            }
            for (String event : player.getValue().takeHeard()) {
                System.out.println("    " + player.getKey() + " hears " + event);
            }
        }
    }

    private void catchUp(ZooKeeper client) {
        try {
            sync(client);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Waits until all events that the server sent before have been heard: the callback stands behind them in line. */
    Object sync(ZooKeeper client) throws Exception {
        CountDownLatch done = new CountDownLatch(1);
        int[] code = new int[1];
        client.sync("/", (rc, path, context) -> {
            code[0] = rc;
            done.countDown();
        }, null);
        if (!done.await(LIMIT_S, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no answer to a sync");
        }
        return KeeperException.Code.get(code[0]);
    }

    String show(Stat stat) {
        return ZooKeeperScript.show(stat, stat == null ? "" : owner(stat.getEphemeralOwner()));
    }

    private String owner(long session) {
        if (session == 0) {
            return "nobody";
        }
        for (Map.Entry<String, Player> player : players.entrySet()) {
            if (player.getValue().client.getSessionId() == session) {
                return player.getKey();
            }
        }
        return "somebody";
    }

    static String show(byte[] data) {
        return data == null ? "null" : "'" + new String(data, StandardCharsets.UTF_8) + "'";
    }

    static String show(List<?> items) {
        List<String> texts = new ArrayList<>();
        for (Object item : items) {
            if (item instanceof ACL acl) {
                texts.add(acl.getPerms() + "@" + acl.getId().getScheme() + ":" + acl.getId().getId());
            } else if (item instanceof OpResult result) {
                texts.add(show(result));
            } else {
                texts.add(String.valueOf(item));
            }
        }
        return texts.toString();
    }

    private static String show(OpResult result) {
        if (result instanceof OpResult.ErrorResult error) {
            return "error " + error.getErr();
        } else if (result instanceof OpResult.CreateResult created) {
            return "created " + created.getPath();
        } else if (result instanceof OpResult.SetDataResult set) {
            return "set " + ZooKeeperScript.show(set.getStat(), "?");
        }
        return "type " + result.getType();
    }

    private static String brief(String text) {
        return text.length() < 300 ? text : text.substring(0, 100) + "… of " + text.length();
    }

    @Override
    public void close() {
        for (Player player : players.values()) {
            try {
                player.client.close();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            player.gate.close();
        }
    }
}
