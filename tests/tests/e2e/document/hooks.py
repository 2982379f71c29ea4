"""What schemathesis cannot know of the service: how its callers log in, and whom they must leave alone.

It is run by the test beside this file, which says in the environment whom it has made:
$SERVICE_URL, $PASSWORD (of alice, carol and root), $CLIENT and $CLIENT_SECRET.
"""

import base64
import itertools
import os
import threading

import requests
import schemathesis

URL = os.environ["SERVICE_URL"]
PASSWORD = os.environ["PASSWORD"]
CLIENT = f"{os.environ['CLIENT']}:{os.environ['CLIENT_SECRET']}"

COOKIES = ("__Host-Http-access", "__Secure-session")
# Each is taken once.
NEW_PASSWORDS = (f"otters {number} juggle quietly" for number in itertools.count())
NEW_NAMES = (f"newcomer{number}" for number in itertools.count())


class Person:
    """A user who logs in again for each call that may end sessions, on a device that is known: made-up
    log-ins of the same name are then no hindrance."""

    def __init__(self, name):
        self.name, self.password = name, PASSWORD
        self.device_token, self.alive = None, {}
        answer = self.log_in("body").json()
        self.id, self.device_token = answer["user"]["id"], answer["device_token"]

    def log_in(self, delivery):
        body = {"username": self.name, "password": self.password, "delivery": delivery}
        if self.device_token:
            body["device_token"] = self.device_token
        answer = requests.post(f"{URL}/session", json=body, timeout=10)
        answer.raise_for_status()
        return answer

    def logged_in(self, delivery, for_good):
        """An answer to a log-in: a new one, after which no other counts, or one that still does."""
        if for_good:
            self.alive.clear()
            return self.log_in(delivery)
        if delivery not in self.alive:
            self.alive[delivery] = self.log_in(delivery)
        return self.alive[delivery]


ALICE, CAROL, ROOT = Person("alice"), Person("carol"), Person("root")
# Mallory is the one to whom operators may do what they like.
MALLORY = Person("mallory")
LEAVE_ALONE = {person.id for person in (ALICE, CAROL, ROOT)}


def login_for(operation, delivery):
    if operation.path.startswith("/admin/") or operation.path == "/users":
        caller = ROOT
    else:
        caller = CAROL if operation.path == "/password" else ALICE
    ends = operation.method.upper() != "GET" or operation.path == "/session/stream"
    return caller.logged_in(delivery, ends)


@schemathesis.auth(refresh_interval=None)
class FreshLogin:
    """By header and by cookie in turn, where the call knows both."""

    turns = itertools.count()

    def get(self, case, _):
        ways = case.operation.definition.raw.get("security", [])
        if not ways:
            return None
        if ways == [{"client": []}]:
            basic = base64.b64encode(CLIENT.encode()).decode()
            return {"headers": {"Authorization": f"Basic {basic}"}, "cookies": {}}
        if {} in ways and isinstance(case.body, dict) and "session_token" in case.body:
            # Two session tokens would be one too many.
            return None
        way = ways[next(self.turns) % len(ways)] or ways[0]
        if "access_token" in way:
            token = login_for(case.operation, "body").json()["access_token"]
            return {"headers": {"Authorization": f"Bearer {token}"}, "cookies": {}}
        answer = login_for(case.operation, "cookie")
        headers = {"X-CSRF-Token": answer.json()["csrf_token"]} if "csrf_token" in way else {}
        wanted = COOKIES[1] if "session_cookie" in way else COOKIES[0]
        return {"headers": headers, "cookies": {wanted: answer.cookies[wanted]}}

    def set(self, case, data, _):
        case.headers.update(data["headers"])
        case.cookies.update(data["cookies"])


@schemathesis.hook
def before_call(_, case, kwargs):
    path, parameters = case.operation.path, case.path_parameters
    # Whoever is locked out can try nothing more.
    if path.startswith("/admin/users/{id}") and parameters.get("id") in LEAVE_ALONE:
        parameters["id"] = MALLORY.id
    if path == "/session/stream":
        # It says something when the session ends, and else nothing.
        access_token = ALICE.log_in("body").json()["access_token"]
        headers = {"Authorization": f"Bearer {access_token}"}
        end = threading.Timer(0.05, requests.delete, [f"{URL}/sessions"], {"headers": headers})
        end.start()
    if case.meta.generation.mode.is_positive:
        make_it_succeed(case)


luck = itertools.cycle([True, False])


def make_it_succeed(case):
    """What is made up is well-formed, and names nobody and nothing. Every other call names someone."""
    operation, parameters, body = case.operation.label, case.path_parameters, case.body
    if operation == "PUT /password":
        case.body = {"current": CAROL.password, "new": next(NEW_PASSWORDS)}
    if not next(luck):
        return
    if operation == "POST /session":
        body.update(username="alice", password=PASSWORD)
    elif operation == "POST /users":
        body.update(username=next(NEW_NAMES), password=PASSWORD)
    elif operation in ("POST /introspect", "POST /revoke"):
        granted = ALICE.log_in("body").json()
        body["token"] = granted["access_token" if operation == "POST /introspect" else "session_token"]
    elif operation == "DELETE /admin/users/{id}/sessions/{session}":
        parameters.update(id=ALICE.id, session=ALICE.log_in("body").json()["session"]["id"])
    elif operation.endswith("/sessions/{id}") or operation.endswith("/sessions/{id}/events"):
        parameters["id"] = ALICE.log_in("body").json()["session"]["id"]
    elif "/admin/users/{id}" in operation:
        parameters["id"] = MALLORY.id


@schemathesis.hook
def after_call(_, case, response):
    if case.operation.label == "PUT /password" and response.status_code == 200:
        CAROL.password = case.body["new"]
