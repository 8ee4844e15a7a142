"""A mail server for the tests: tests/src/mail_server.rs starts it and reads what it leaves in its folder.

The argument is JSON: the folder, the kind of TLS, the certificate with its key, and the login that it wants. The port is
in the file `port` of the folder, each message in a file of its own. What the file `answer` there holds is the answer to
every sender instead of a good one, and what the file `password` holds is the password instead of the one in the argument.
"""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def leave(folder, name, text):
    """Writes a file under its name only once it is whole."""
    beside = os.path.join(folder, "." + name)
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(beside, os.path.join(folder, name))


class Handler:
    def __init__(self, folder):
        self.folder = folder
        self.messages = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        path = os.path.join(self.folder, "answer")
        if os.path.exists(path):
            self.messages += 1
            leave(self.folder, f"refused-{self.messages:06}", address)
            with open(path, encoding="utf-8") as file:
                return file.read()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 good"

    async def handle_DATA(self, server, session, envelope):
        self.messages += 1
        message = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "is_protected": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            "is_logged_in": session.authenticated,
            "message": envelope.content.decode("utf-8"),
        }
        leave(self.folder, f"message-{self.messages:06}", json.dumps(message))
        return "250 taken"


async def main():
    options = json.loads(sys.argv[1])
    folder, tls = options["folder"], options["tls"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options["certificate"], options["key"])
    user, password = options["user"].encode(), options["password"].encode()

    def authenticate(server, session, envelope, mechanism, data):
        wanted = password
        path = os.path.join(folder, "password")
        if os.path.exists(path):
            with open(path, "rb") as file:
                wanted = file.read()
        return AuthResult(success=(data.login, data.password) == (user, wanted), handled=False)

    handler = Handler(folder)

    def serve():
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=tls == "starttls",
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(serve, "127.0.0.1", 0, ssl=context if tls == "tls" else None)
    leave(folder, "port", str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


asyncio.run(main())
