import asyncio  # added
from longhaul_client import TaskManager  # added

async def province_refresh_example():
    manager = TaskManager()
    
    # 创建广东省刷新任务
    task_id = await manager.create_province_refresh_task("广东省")
    
    # 监控任务执行
    while True:
        task = await manager.get_task_status(task_id)
        if task['current_step']:
            print(f"当前来骤: {task['current_step']}")
        
        if task['status'] in ['SUCCEEDED', 'FAILED']:
            break
        
        await asyncio.sleep(1)

asyncio.run(province_refresh_example())
