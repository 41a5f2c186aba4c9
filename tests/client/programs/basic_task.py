import asyncio
from longhaul_client import TaskManager

async def basic_task_example():
    # 创建任务管理器
    manager = TaskManager()
    
    # 创建全量刷新任务
    task_id = await manager.create_full_refresh_task()
    print(f"任务已创建: {task_id}")
    
    # 查询任务状态
    while True:
        task = await manager.get_task_status(task_id)
        print(f"任务状态: {task['status']}, 进度: {task['progress']}%")
        
        if task['status'] in ['SUCCEEDED', 'FAILED']:
            break
        
        await asyncio.sleep(2)  # 等待2秒后再次检查

asyncio.run(basic_task_example())
