"""Every scene by its name: what befalls whom, and what the machine must have for it."""

from gateway.lab.faultlab import days, kills, links, storage
from gateway.lab.faultlab.disks import LoopDisk, SmallDisk
from gateway.lab.faultlab.tracing import FAKETIME
from gateway.lab.faultlab.trial import Scene

_THREE = ("village", "township", "county")
_STRACE = ("strace",)

_UPLINKS = {
    "black_hole": "the link to the county swallows everything, then returns",
    "refused": "the county's address refuses connections",
    "half_open": "standing connections to the county go dead, and nobody tells",
    "reset": "connections to the county are reset",
    "slow": "64 kbit/s to the county",
    "late": "600 ms each way to the county",
    "flapping": "the link to the county comes and goes within a second",
    "cut": "answers of the county are cut off in the middle",
    "repeated": "requests reach the county twice",
    "overtaken": "connections to the county overtake each other",
}

_ALL = (
    Scene("kill_home", "kill -9 of the core", kills.home_dies),
    Scene("kill_county", "kill -9 of the upper node", kills.upper_dies),
    Scene("kill_workers", "kill -9 of video workers, and of their core", kills.workers_die, camera=True),
    Scene("kill_everything", "kill -9 of any process, several at once", kills.everything_dies),
    Scene("calls_home", "kill -9 at the nth call of the ledger's writer", kills.home_dies_writing, tools=_STRACE),
    Scene("calls_county", "the same at the upper node", kills.upper_dies_writing, tools=_STRACE),
    Scene("restarts", "SIGTERM and a new start of each node under load", kills.restarts),
    Scene("fsync_eio", "an fsync fails with EIO", storage.sync_fails, tools=_STRACE),
    Scene("fsync_slow", "fsyncs take 50 ms to 2 s", storage.sync_takes_long, tools=_STRACE),
    Scene("enospc_calls", "ENOSPC from the system call", storage.no_space, tools=_STRACE),
    Scene("enospc_disk", "a small disk is filled and freed", storage.disk_fills, needs_root=True, disk=SmallDisk),
    Scene("power", "the power fails", storage.power_fails, needs_root=True, tools=("mkfs.ext4",), disk=LoopDisk),
    Scene("broker", "the broker is killed, absent, or hangs; it saves its sessions", kills.broker_dies),
    Scene("broker_forgets", "the same with one that forgets", kills.broker_dies, persistent_broker=False),
    *(Scene(f"link_{kind}", what, links.uplink(kind)) for kind, what in _UPLINKS.items()),
    Scene("links", "every one of these in turn", links.uplinks_fail),
    Scene("air", "the terminals' connection to the broker fails in every way", links.air_fails),
    Scene(
        "packet_loss",
        "30 % of the home node's packets are lost, and its cable pulled",
        links.packets_are_lost,
        needs_root=True,
        tools=("ip", "iptables"),
        namespace=True,
    ),
    Scene("liar", "the receiver is slow, lies, or is somebody else", links.receiver_lies),
    Scene("receiver_refuses", "a proxy on the way refuses what the upper node would take", links.receiver_refuses),
    Scene("clock_1970", "the home node lives in 1970", days.clock_of_1970, tools=(FAKETIME,)),
    Scene("clock_set", "a clock of 1970 is set right while presses are repeated", days.clock_is_set, tools=(FAKETIME,)),
    Scene("clock_jumps", "every node's clock jumps by minutes and years", days.clocks_jump, tools=(FAKETIME,)),
    Scene("messages", "presses come up to four times, in any order", days.messages_repeat),
    Scene("upgrade", "the former version's ledger, presses waiting, kills while it starts", days.upgrade),
    Scene("levels", "three levels act on the same alerts while apart", days.levels_act_apart, levels=_THREE),
)

SCENES: dict[str, Scene] = {scene.name: scene for scene in _ALL}
