"""kazoo's view of a ZooKeeper server, as a text that is the same for any server that behaves the same.

Usage: zookeeper_kazoo.py HOST:PORT [SASL_USER SASL_PASSWORD]. Prints results, errors, stats but for times and ids, and
the watch events of each client in their order. The server must be empty. With a SASL user, prints only what that user
(and one with a wrong password) may do.
"""

import random
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, KazooException
from kazoo.protocol.states import Callback
from kazoo.recipe.barrier import DoubleBarrier
from kazoo.recipe.lock import Lock
from kazoo.recipe.queue import LockingQueue
from kazoo.retry import KazooRetry
from kazoo.security import OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, make_acl, make_digest_acl

LIMIT_S = 30


class Player:
    """A client with a name, and what it heard."""

    def __init__(self, address, name, **options):
        self.name = name
        self.heard = []
        self.client = KazooClient(address, timeout=20, command_retry=KazooRetry(max_tries=1), **options)
        self.client.start(LIMIT_S)

    def hear(self, event):
        # Without a path it is the connection that comes or goes, which is not the server's to say.
        if event.path:
            self.heard.append(f"{event.type} {event.path}")

    def catch_up(self):
        """Waits until every event that the server sent before has been heard."""
        if not self.client.connected:
            return
        self.client.sync("/")
        done = threading.Event()
        self.client.handler.dispatch_callback(Callback("watch", done.set, ()))
        assert done.wait(LIMIT_S)


class Cast:
    """All clients of a script."""

    def __init__(self, address):
        self.address = address
        self.players = {}

    def enter(self, name, **options):
        self.players[name] = Player(self.address, name, **options)

    def leave(self, name):
        player = self.players.pop(name)
        player.client.stop()
        player.client.close()
        self.report(f"{name} leaves")

    def step(self, name, what, deed):
        player = self.players[name]
        try:
            result = self.show(deed(player.client, player.hear))
        except KazooException as error:
            result = type(error).__name__
        self.report(f"{name} {what} = {result}")

    def report(self, line):
        print(line)
        for player in self.players.values():
            player.catch_up()
            for event in player.heard:
                print(f"    {player.name} hears {event}")
            player.heard.clear()

    def show(self, value):
        if hasattr(value, "czxid"):
            return self.show_stat(value)
        if isinstance(value, (list, tuple)):
            shown = [self.show(item) for item in value]
            return "[" + ", ".join(shown) + "]"
        if isinstance(value, KazooException):
            return type(value).__name__
        return repr(value)

    def show_stat(self, stat):
        def relation(a, b):
            return "<" if a < b else "=" if a == b else ">"

        owner = stat.ephemeralOwner
        sessions = {player.client.client_id[0]: player.name for player in self.players.values()}
        return (
            f"c{relation(stat.czxid, stat.mzxid)}m c{relation(stat.czxid, stat.pzxid)}p v{stat.version} c{stat.cversion}"
            f" a{stat.aversion} owner {sessions.get(owner, 'somebody') if owner else 'nobody'} {stat.dataLength} bytes"
            f" {stat.numChildren} children"
        )


def create(cast, who, path, data=b"x", **options):
    cast.step(who, f"create {path} {sorted(options)}", lambda client, _: client.create(path, data, **options))


def delete(cast, who, path, version=-1):
    cast.step(who, f"delete {path} {version}", lambda client, _: client.delete(path, version))


def put(cast, who, path, data, version=-1):
    cast.step(who, f"set {path} {version}", lambda client, _: client.set(path, data, version))


def get(cast, who, path, watch=False):
    cast.step(who, f"get {path} {watch}", lambda client, hear: client.get(path, watch=hear if watch else None))


def exists(cast, who, path, watch=False):
    cast.step(who, f"exists {path} {watch}", lambda client, hear: client.exists(path, watch=hear if watch else None))


def children(cast, who, path, watch=False):
    def deed(client, hear):
        names, stat = client.get_children(path, watch=hear if watch else None, include_data=True)
        return sorted(names), stat

    cast.step(who, f"children {path} {watch}", deed)


def transaction(cast, who, *operations):
    def deed(client, _):
        request = client.transaction()
        for name, *arguments in operations:
            getattr(request, name)(*arguments)
        return request.commit()

    cast.step(who, f"transaction {operations}", deed)


def znodes(cast):
    create(cast, "anna", "/z", b"one")
    create(cast, "anna", "/z", b"two")
    create(cast, "anna", "/none/z")
    create(cast, "anna", "/deep/er/est", makepath=True)
    create(cast, "anna", "/z/with-stat", include_data=True)
    create(cast, "anna", "/z/n-", sequence=True)
    create(cast, "bert", "/z/n-", sequence=True, ephemeral=True)
    create(cast, "bert", "/z/e", ephemeral=True)
    create(cast, "bert", "/z/e/child")
    get(cast, "anna", "/z")
    exists(cast, "anna", "/z/e")
    exists(cast, "anna", "/none")
    children(cast, "anna", "/z")
    children(cast, "anna", "/none")
    put(cast, "anna", "/z", b"three", 0)
    put(cast, "anna", "/z", b"four", 0)
    delete(cast, "anna", "/z")
    delete(cast, "anna", "/z/e", 9)
    delete(cast, "anna", "/none")
    delete(cast, "anna", "/zookeeper/quota")
    cast.step("anna", "delete /deep recursively", lambda client, _: client.delete("/deep", recursive=True))
    cast.step("anna", "sync", lambda client, _: client.sync("/z"))
    cast.step("anna", "reconfig", lambda client, _: client.reconfig("server.1=a:1:2", None, None))
    for word in [b"ruok", b"isro"]:
        cast.step("anna", word.decode(), lambda client, _, word=word: client.command(word))


def transactions(cast):
    acl = OPEN_ACL_UNSAFE
    transaction(cast, "anna", ("create", "/t", b"x", acl), ("set_data", "/t", b"y", 0), ("check", "/t", 1))
    transaction(cast, "anna", ("create", "/u", b"x", acl), ("check", "/t", 7), ("delete", "/t"))
    transaction(cast, "anna", ("create", "/t/n-", b"x", acl, True, True), ("create", "/t/n-", b"x", acl, False, True))
    transaction(cast, "anna", ("delete", "/none"))
    transaction(cast, "anna")
    children(cast, "anna", "/t")


def watches(cast):
    create(cast, "anna", "/w")
    get(cast, "bert", "/w", watch=True)
    children(cast, "bert", "/w", watch=True)
    exists(cast, "bert", "/w/late", watch=True)
    create(cast, "anna", "/w/late")
    put(cast, "anna", "/w", b"y")
    put(cast, "anna", "/w", b"z")
    get(cast, "bert", "/w/late", watch=True)
    children(cast, "bert", "/w/late", watch=True)
    delete(cast, "anna", "/w/late")
    exists(cast, "bert", "/w/again", watch=True)
    transaction(cast, "anna", ("create", "/w/again"), ("set_data", "/w/again", b"m"), ("delete", "/w/again"))
    cast.enter("carl")
    create(cast, "carl", "/w/e", ephemeral=True)
    exists(cast, "bert", "/w/e", watch=True)
    children(cast, "anna", "/w", watch=True)
    cast.leave("carl")


def access_control(cast):
    cast.enter("dora", auth_data=[("digest", "dora:secret")])
    mine = [make_digest_acl("dora", "secret", all=True)]
    create(cast, "dora", "/acl", acl=mine)
    get(cast, "anna", "/acl")
    put(cast, "anna", "/acl", b"x")
    put(cast, "dora", "/acl", b"x")
    for who in ["anna", "dora"]:
        cast.step(who, "get_acls", lambda client, _: client.get_acls("/acl"))
    cast.step("anna", "set_acls", lambda client, _: client.set_acls("/acl", OPEN_ACL_UNSAFE))
    cast.step("dora", "set_acls", lambda client, _: client.set_acls("/acl", READ_ACL_UNSAFE + mine, 0))
    cast.step("anna", "get_acls", lambda client, _: client.get_acls("/acl"))
    get(cast, "anna", "/acl")
    for scheme, who in [("ip", "127.0.0.1"), ("ip", "1.2.3.4/33"), ("auth", ""), ("sasl", "me"), ("world", "x")]:
        create(cast, "anna", f"/acl-{scheme}-{who.count('.')}", acl=[make_acl(scheme, who, all=True)])
    delete(cast, "anna", "/acl")
    cast.leave("dora")


def reconnection(cast):
    """A client that drops its connection goes on with its session and its watches."""
    cast.enter("erik")
    create(cast, "erik", "/r", ephemeral=True)
    exists(cast, "erik", "/r-new", watch=True)
    client = cast.players["erik"].client
    back = threading.Event()
    client.add_listener(lambda state: back.set() if state == "CONNECTED" else None)
    session = client.client_id
    client._connection._socket.shutdown(2)
    assert back.wait(LIMIT_S)
    cast.report(f"erik is back, the same session: {client.client_id == session}")
    exists(cast, "erik", "/r")
    cast.leave("erik")
    exists(cast, "anna", "/r")


def recipes(cast):
    """What applications are made of."""
    anna, bert = cast.players["anna"].client, cast.players["bert"].client
    held = []
    lock = Lock(anna, "/lock", "anna")
    with lock:
        other = threading.Thread(target=lambda: hold(bert, held))
        other.start()
        while len(lock.contenders()) < 2:
            pass
        held.append("anna")
    other.join(LIMIT_S)
    print("held by", held)
    queue = LockingQueue(anna, "/queue")
    queue.put_all([b"1", b"2", b"3"])
    print("queued", [(queue.get(LIMIT_S), queue.consume()) for _ in range(3)])
    barriers = [DoubleBarrier(client, "/barrier", 2) for client in (anna, bert)]
    threads = [threading.Thread(target=lambda barrier=barrier: (barrier.enter(), barrier.leave())) for barrier in barriers]
    [thread.start() for thread in threads]
    [thread.join(LIMIT_S) for thread in threads]
    print("passed the barrier", not any(thread.is_alive() for thread in threads))


def hold(client, held):
    with Lock(client, "/lock", "bert"):
        held.append("bert")


def chance(cast, steps):
    draw = random.Random(5)
    paths = ["/c", "/c/a", "/c/a/b", "/c/d", "/c/a/e"]
    for number in range(steps):
        who, path = draw.choice(["anna", "bert"]), draw.choice(paths)
        watch, version = draw.random() < 0.5, draw.choice([-1, -1, 0, 1])
        kind = draw.randrange(-2, 8)
        if kind < 2:
            create(cast, who, path, **draw.choice([{}, {}, {"ephemeral": True}, {"sequence": True}]))
        elif kind == 2:
            delete(cast, who, path, version)
        elif kind == 3:
            put(cast, who, path, b"%d" % number, version)
        elif kind == 4:
            get(cast, who, path, watch)
        elif kind == 5:
            exists(cast, who, path, watch)
        elif kind == 6:
            children(cast, who, path, watch)
        else:
            transaction(cast, who, ("create", path), ("set_data", path, b"t", version), ("delete", draw.choice(paths)))


def sasl(address, user, password):
    cast = Cast(address)
    options = {"mechanism": "DIGEST-MD5", "username": user, "password": password}
    cast.enter("anna", sasl_options=options)
    create(cast, "anna", "/mine", acl=[make_acl("sasl", user, all=True)])
    cast.step("anna", "get_acls", lambda client, _: client.get_acls("/mine"))
    cast.enter("bert")
    get(cast, "bert", "/mine")
    get(cast, "anna", "/mine")
    try:
        cast.enter("carl", sasl_options={**options, "password": "wrong"})
    except (AuthFailedError, KazooException) as error:
        print("carl", type(error).__name__)


def main(address, *user):
    if user:
        return sasl(address, *user)
    cast = Cast(address)
    cast.enter("anna")
    cast.enter("bert")
    znodes(cast)
    transactions(cast)
    watches(cast)
    access_control(cast)
    reconnection(cast)
    recipes(cast)
    chance(cast, 400)
    cast.leave("bert")
    children(cast, "anna", "/")
    cast.leave("anna")


if __name__ == "__main__":
    main(*sys.argv[1:])
