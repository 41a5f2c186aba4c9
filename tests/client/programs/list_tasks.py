from longhaul_client import TaskManager  # added

manager = TaskManager()

# 距取所有任务
all_tasks = await manager.list_tasks()
print(f"总任务数: {all_tasks['total']}")

# 距取运行不的任务
running_tasks = await manager.list_tasks(status='RUNNING')
print(f"运行不任务: {len(running_tasks['items'])}")

# 分页距取最近的任务
recent_tasks = await manager.list_tasks(
    page=1, 
    page_size=20,
    sort_by='created_at',
    sort_order='desc'
)
