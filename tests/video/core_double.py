"""A core with nothing but a worker pool: DATA_DIR KEYFRAME WORKER_SCRIPT. Prints the worker's pid once it is up."""

import asyncio
import sys
from pathlib import Path

from gateway.model import CameraState
from gateway.observability.logs import configure
from gateway.video.wire import CameraOrder
from gateway.video.workers.pool import WorkerPool


async def main() -> None:
    configure()
    data_dir, keyframe, script = sys.argv[1:]
    orders = [CameraOrder("c1", f"file://{keyframe}")]
    pool = WorkerPool(Path(data_dir), orders, workers=1, command=[sys.executable, "-P", script])
    task = asyncio.create_task(pool.run())
    seen = 0
    while (health := pool.health("c1")) is None or health.state is not CameraState.ONLINE:
        seen = await pool.health_changed(seen)
    print(pool.pids[0], flush=True)
    await task


asyncio.run(main())
