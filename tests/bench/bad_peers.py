"""Peers that behave badly: one hangs while it is loaded, one while it is timed, one breaks then."""

import time


class Bad:
    version = "1"
    notes = {"method": "stub", "clock": "stub"}

    def __init__(self, name):
        self.name = name

    def load(self):
        self.hang_if("stub_hangs_loaded")

    def open(self, shape, launches):
        return self

    def sample(self):
        self.hang_if("stub_hangs_timed")
        raise RuntimeError("no more\nof this")

    def close(self):
        pass

    def hang_if(self, name):
        while self.name == name:
            time.sleep(60)


PEERS = [Bad("stub_breaks"), Bad("stub_hangs_loaded"), Bad("stub_hangs_timed")]
