"""A throwaway Odoo: its database, its server and its RPC."""

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from report import PLACE, Failed, wait_for

PASSWORD = "admin"


class Database:
    """Where the throwaway database is: at the server of PGHOST and its fellows, else at the stand's."""

    def __init__(self, name, stand):
        self.name = name
        if os.environ.get("PGHOST"):
            place = {word: os.environ.get(f"PG{word.upper()}", "") for word in ("host", "port", "user", "password")}
        else:
            url = urllib.parse.urlsplit(stand.postgres_url)
            place = {"host": url.hostname, "port": str(url.port), "user": stand.postgres_user, "password": ""}
        self.place = place

    def options(self):
        return [f"--db_{word}={value}" for word, value in self.place.items() if value]

    def execute(self, python, statement, database="postgres"):
        """Run one statement by Odoo's own psycopg2, outside a transaction; return its rows, if it has any."""
        program = (
            "import json, sys, psycopg2\n"
            "connection = psycopg2.connect(**json.loads(sys.argv[1]))\n"
            "connection.autocommit = True\n"
            "cursor = connection.cursor()\n"
            "cursor.execute(sys.argv[2])\n"
            "print(json.dumps(cursor.fetchall() if cursor.description else None, default=str))\n"
        )
        place = {word: value for word, value in self.place.items() if value} | {"dbname": database}
        done = subprocess.run(
            [python, "-c", program, json.dumps(place), statement], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(done.stderr.strip().splitlines()[-1])
        return json.loads(done.stdout)


class Odoo:
    """One tree of Odoo's, with a database of its own."""

    def __init__(self, stand, name, port):
        self.tree = Path(os.environ["ODOO_SRC"])
        self.python = os.environ.get("ODOO_PYTHON", "python3")
        self.database = Database(name, stand)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.server = None
        self.log = PLACE / "odoo.log"
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.is_logged_in = False
        #: Where Odoo takes itself to be reachable while it is asked.
        self.host = f"127.0.0.1:{port}"

    def command(self, *more):
        own = Path(__file__).resolve().parent.parent
        places = [self.tree / "odoo" / "addons", self.tree / "addons", own]
        places = ",".join(str(place) for place in places if place.is_dir())
        fixed = ["--http-interface=127.0.0.1", f"--http-port={self.port}", f"--gevent-port={self.port + 1}"]
        kept = [f"--data-dir={PLACE.resolve() / 'data'}", f"--logfile={self.log.resolve()}", "--max-cron-threads=0"]
        whose = [f"--addons-path={places}", f"-d{self.database.name}", f"--db-filter=^{self.database.name}$"]
        return [self.python, str(self.tree / "odoo-bin"), *whose, *fixed, *kept, *self.database.options(), *more]

    def install(self, modules):
        """Make the database anew, from the template that ODOO_TEMPLATE names, where it names one, and install the modules."""
        name, template = self.database.name, os.environ.get("ODOO_TEMPLATE", "template0")
        self.database.execute(self.python, f'drop database if exists "{name}"')
        self.database.execute(self.python, f'create database "{name}" template "{template}" encoding \'UTF8\'')
        self.log.write_text("")
        files = PLACE / "data" / "filestore"
        shutil.rmtree(files / name, ignore_errors=True)
        if (files / template).is_dir():
            shutil.copytree(files / template, files / name)
        run = self.command("--without-demo=all", "--stop-after-init", "--no-http", "-i", ",".join(modules))
        done = subprocess.run(run, check=False)
        if done.returncode:
            raise Failed(f"Odoo could not install {modules}: see {self.log}")

    def start(self, workers=2):
        self.server = subprocess.Popen(self.command(f"--workers={workers}"), start_new_session=True)
        wait_for("Odoo answers", self.is_up, within_s=120)

    def is_up(self):
        if self.server.poll() is not None:
            raise Failed(f"Odoo ended by itself: see {self.log}")
        try:
            with urllib.request.urlopen(f"{self.url}/web/webclient/version_info", b"{}", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait(60)
            self.server = None

    def rpc(self, path, **params):
        """Ask as the web client does: some of Odoo's methods want a request of that kind."""
        request = urllib.request.Request(f"{self.url}{path}", json.dumps({"jsonrpc": "2.0", "method": "call", "params": params}).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("Host", self.host)
        with self.opener.open(request, timeout=300) as answer:
            told = json.load(answer)
        if "error" in told:
            data = told["error"].get("data", {})
            raise Failed(f"{data.get('name')}: {data.get('message')}")
        return told.get("result")

    def call(self, model, method, *args, **named):
        """Call a public method as the administrator."""
        if not self.is_logged_in:
            self.rpc("/web/session/authenticate", db=self.database.name, login="admin", password=PASSWORD)
            self.is_logged_in = True
        return self.rpc("/web/dataset/call_kw", model=model, method=method, args=args, kwargs=named)

    def create(self, model, values, **context):
        return self.call(model, "create", values, **({"context": context} if context else {}))

    def search(self, model, domain, fields, **named):
        return self.call(model, "search_read", domain, fields, **named)

    def find(self, model, domain, fields, **named):
        """The only one, or the first by the order that is asked for."""
        found = self.search(model, domain, fields, limit=1, **named)
        if not found:
            raise Failed(f"no {model} with {domain}")
        return found[0]

    def ref(self, name):
        """The id of a record, by its name in the modules' data."""
        module, _, rest = name.partition(".")
        return self.find("ir.model.data", [("module", "=", module), ("name", "=", rest)], ["res_id"])["res_id"]

    def said(self, words):
        """How many lines of the server's log hold the words."""
        return sum(words in line for line in self.log.open(errors="replace"))

    def tracebacks(self):
        """How many there are in the log, but for those by which the status page is told to ask again."""
        return self.said("Traceback (most recent call last)") - self.said("Exception: retry")
