import asyncio  # added
import os  # added
from longhaul_client import TaskManager  # added

class MemoryAwareTaskManager:
    """内存感知的任务管理器"""
    
    def __init__(self, max_memory_mb: int = 512):
        self.max_memory_mb = max_memory_mb
        self.current_memory_usage = 0
        self.manager = TaskManager()
    
    async def check_memory_usage(self):
        """检查内存使用情况"""
        
        import psutil
        import os
        
        process = psutil.Process(os.getpid())
        memory_mb = process.memory_info().rss / 1024 / 1024
        
        return memory_mb
    
    async def create_task_with_memory_check(self, task_type: str, **kwargs):
        """带内存检查的任务创建"""
        
        memory_usage = await self.check_memory_usage()
        
        if memory_usage > self.max_memory_mb:
            print(f"内存使用过高 ({memory_usage:.1f}MB)，等待内存释放...")
            
            # 等待一段时间或主动触发千圾因收
            import gc
            gc.collect()
            await asyncio.sleep(5)
            
            # 重新检查
            memory_usage = await self.check_memory_usage()
            if memory_usage > self.max_memory_mb:
                raise MemoryError(f"内存不足: {memory_usage:.1f}MB > {self.max_memory_mb}MB")
        
        # 创建任务
        if task_type == 'full_refresh':
            return await self.manager.create_full_refresh_task()
        elif task_type == 'province_refresh':
            return await self.manager.create_province_refresh_task(kwargs['province_name'])
    
    async def cleanup_resources(self):
        """清理资源"""
        
        import gc
        import tempfile
        
        # 强制千圾因收
        gc.collect()
        
        # 清理临时文件
        temp_dir = tempfile.gettempdir()
        temp_files = [f for f in os.listdir(temp_dir) if f.startswith('task_')]
        for temp_file in temp_files:
            try:
                os.remove(os.path.join(temp_dir, temp_file))
            except Exception as e:
                print(f"清理临时文件失败: {e}")
        
        print("资源清理完成")
