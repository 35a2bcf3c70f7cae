"""Runs Keystone in the foreground: run_keystone.py CONFIGURATION PORT ADMIN_PASSWORD

Makes the database, the keys, and the first user, admin, before it serves. waitress keeps connections, as other servers do.
"""
import grp
import os
import pwd
import sqlite3
import sys

configuration, port, password = sys.argv[1:4]
url = "http://127.0.0.1:%s/v3" % port
os.environ["OS_KEYSTONE_CONFIG_FILES"] = configuration
who = ["--keystone-user", pwd.getpwuid(os.getuid()).pw_name, "--keystone-group", grp.getgrgid(os.getgid()).gr_name]

from keystone.cmd import cli  # noqa: E402
import keystone.conf  # noqa: E402


def manage(*words):
    keystone.conf.CONF.reset()
    try:
        cli.main(argv=["keystone-manage", "--config-file", configuration, *words], developer_config_file=None)
    except SystemExit as ended:
        if ended.code:
            raise


# In a process of its own: it leaves options behind that the server does not take.
child = os.fork()
if child == 0:
    manage("db_sync")
    manage("fernet_setup", *who)
    manage("credential_setup", *who)
    manage("bootstrap", "--bootstrap-username", "admin", "--bootstrap-password", password,
           "--bootstrap-project-name", "admin", "--bootstrap-role-name", "admin", "--bootstrap-service-name", "keystone",
           "--bootstrap-region-id", "North", "--bootstrap-public-url", url, "--bootstrap-internal-url", url)
    os._exit(0)
if os.waitpid(child, 0)[1] != 0:
    sys.exit("Keystone could not be set up.")
# Who reads must not keep others from writing.
database = sqlite3.connect(os.path.join(os.path.dirname(configuration), "keystone.db"))
database.execute("pragma journal_mode=wal")
database.close()
sys.argv[1:] = []

from keystone.server.wsgi import initialize_public_application  # noqa: E402
import waitress  # noqa: E402

waitress.serve(initialize_public_application(), host="127.0.0.1", port=int(port), threads=8, channel_timeout=300)
