"""A fork of the template that is ahead of its task: in its own namespace, waiting for the order.

What a fork costs is then paid while the driver writes down what the task before came to. A spare has seen no order but
its own: it is forked between two of them, and used once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from typing import TYPE_CHECKING, NoReturn

from palmette.runtime.keeper import Message, live

if TYPE_CHECKING:
    from palmette.runtime.template import Template


class Spare:
    """The template's end of it; `init` is as a task's."""

    def __init__(self, template: Template) -> None:
        self.channel, theirs = socket.socketpair()
        message: Message = {}

        def settle(keeper: int, init: int) -> None:
            self.channel.close()
            template.part(keeper, init)
            template.rehearse()
            message.update(_awaited(theirs))
            template.settle(message)

        def become(keeper: int, init: int) -> NoReturn:
            live(lambda: settle(keeper, init), lambda: template.run(message))

        try:
            self.pid, self.init = template.forked(become)
        except OSError:
            self.channel.close()
            raise
        finally:
            theirs.close()

    def order(self, message: Message) -> bool:
        """Whether it got the order, and becomes the task."""
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.dismiss()
            return False
        self.channel.close()
        return True

    def dead(self) -> bool:
        """Whether something killed it."""
        return bool(os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))

    def dismiss(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.channel.close()
        if self.init >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self.init, signal.SIGKILL)
            os.close(self.init)


def _awaited(channel: socket.socket) -> Message:
    """The order; without one there is nobody to work for."""
    data = bytearray()
    with channel:
        while not data.endswith(b"\n"):
            if not (part := channel.recv(1 << 18)):
                os._exit(0)
            data += part
    message: Message = json.loads(data)
    return message
