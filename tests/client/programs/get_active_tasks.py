from longhaul_client import TaskManager  # added

manager = TaskManager()
active_tasks = await manager.get_active_tasks()

print(f"当前活跃任务: {len(active_tasks)} 个")
for task in active_tasks:
    print(f"- {task['task_id']}: {task['status']} ({task['progress']}%)")
