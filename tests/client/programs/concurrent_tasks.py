import uuid  # added

import asyncio
from longhaul_client import TaskManager

class ConcurrentTaskManager:
    def __init__(self, max_concurrent: int = 5):
        self.max_concurrent = max_concurrent
        self.semaphore = asyncio.Semaphore(max_concurrent)
        self.active_tasks = set()
    
    async def create_concurrent_task(self, task_type: str, **kwargs):
        """创建并发任务"""
        # 检查并发限制
        if len(self.active_tasks) >= self.max_concurrent:
            raise Exception(f"已达到最大并发数: {self.max_concurrent}")
        
        # 创建任务ID
        task_id = self._generate_task_id()
        
        # 记录活跃任务
        self.active_tasks.add(task_id)
        
        try:
            # 使用信号量限制并发
            async with self.semaphore:
                return await self._execute_task(task_id, task_type, **kwargs)
        finally:
            # 清理活跃任务
            self.active_tasks.discard(task_id)
    
    async def _execute_task(self, task_id: str, task_type: str, **kwargs):
        """执行具体任务"""
        manager = TaskManager()
        
        if task_type == 'full_refresh':
            return await manager.create_full_refresh_task()
        elif task_type == 'province_refresh':
            return await manager.create_province_refresh_task(kwargs['province_name'])
        else:
            raise ValueError(f"未知任务类友: {task_type}")

ConcurrentTaskManager._generate_task_id = lambda self: uuid.uuid4().hex  # added: the class calls it and has it not

# 使用示例
concurrent_manager = ConcurrentTaskManager(max_concurrent=3)

# 创建多个并发任务
task_ids = []
for province in ["广东省", "江苏省", "浙江省", "山东省"]:
    task_id = await concurrent_manager.create_concurrent_task(
        'province_refresh', 
        province_name=province
    )
    task_ids.append(task_id)

print(f"已创建 {len(task_ids)} 个并发任务")
