import asyncio  # added
from longhaul_client import TaskManager  # added

manager = TaskManager()
task_id = await manager.create_full_refresh_task()

# 等待一段时间占取消
await asyncio.sleep(30)
success = await manager.cancel_task(task_id)
print(f"任务取消结果: {success}")
