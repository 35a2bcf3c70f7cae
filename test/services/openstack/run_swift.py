"""Runs Swift in the foreground: run_swift.py DIRECTORY

DIRECTORY holds swift.conf, account.conf, container.conf, object.conf and one file proxy-*.conf for each proxy. One device in one
zone, one replica. What all servers import is imported once; each server is a child of this process.
"""
import glob
import os
import sys
from configparser import RawConfigParser

from swift.common import utils

directory = sys.argv[1]
utils.set_swift_dir(directory)

from swift.common import constraints, wsgi  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402
import swift.account.server  # noqa: E402,F401
import swift.container.server  # noqa: E402,F401
import swift.obj.server  # noqa: E402
import swift.proxy.server  # noqa: E402,F401

constraints.reload_constraints()


def make_ring(kind, port):
    builder = RingBuilder(4, 1, 0)
    place = {"region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": ""}
    builder.add_dev({**place, "ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port})
    builder.rebalance()
    builder.get_ring().save(os.path.join(directory, kind + ".ring.gz"))


servers = [("object", "object-server", {"global_conf_callback": swift.obj.server.global_conf_callback})]
servers += [("account", "account-server", {}), ("container", "container-server", {})]
for kind, _, _ in servers:
    settings = RawConfigParser()
    settings.read(os.path.join(directory, kind + ".conf"))
    make_ring(kind, settings.getint("DEFAULT", "bind_port"))
for path in glob.glob(os.path.join(directory, "proxy-*.conf")):
    servers.append((os.path.basename(path)[:-5], "proxy-server", {}))
for name, section, more in servers:
    if os.fork() == 0:
        os._exit(wsgi.run_wsgi(os.path.join(directory, name + ".conf"), section, verbose=True, **more) or 0)
# When one of them ends, all do.
os.wait()
