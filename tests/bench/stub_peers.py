"""Peers without a GPU: one that answers, one that takes no packed batches, one that is not there."""


class Timed:
    notes = {"method": "stub", "clock": "stub"}

    def __init__(self, seconds):
        self.seconds = seconds

    def sample(self):
        self.seconds += 1e-9
        return self.seconds

    def close(self):
        pass


class Stub:
    name, version = "stub", "1"

    def load(self):
        pass

    def open(self, shape, launches):
        if self.name == "stub_unpacked" and shape["lengths"]:
            raise ValueError("packed batches are not for me")
        return Timed(1e-3 * launches)


class Unpacked(Stub):
    name = "stub_unpacked"


class Absent(Stub):
    name = "stub_absent"

    def load(self):
        import a_package_that_nobody_has  # noqa: F401


PEERS = [Stub(), Unpacked(), Absent()]
