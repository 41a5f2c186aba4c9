import asyncio  # added
from longhaul_client import TaskManager  # added

async def create_full_refresh():
    manager = TaskManager()
    
    # 创建全量刷新任务
    task_id = await manager.create_full_refresh_task()
    
    print(f"全量刷新任务已创建: {task_id}")
    
    # 监听任务进度
    async def monitor_progress():
        while True:
            task = await manager.get_task_status(task_id)
            
            print(f"进度: {task['progress']}%")
            if task['current_step']:
                print(f"当前来骤: {task['current_step']}")
            
            if task['status'] in ['SUCCEEDED', 'FAILED']:
                if task['status'] == 'SUCCEEDED':
                    print("全量刷新任务成功完成!")
                else:
                    print(f"任务失败: {task['error_message']}")
                break
            
            await asyncio.sleep(5)
    
    # 启动监控
    await monitor_progress()

# 运行全量刷新
asyncio.run(create_full_refresh())
