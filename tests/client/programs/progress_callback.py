from longhaul_client import TaskManager  # added

class ProgressCallback:
    """进度因调处理器"""
    
    def __init__(self):
        self.listeners = []
    
    def add_listener(self, callback):
        """添加进度监听器"""
        self.listeners.append(callback)
    
    async def notify_progress(self, task_id: str, progress: int, step: str):
        """通知进度更新"""
        for listener in self.listeners:
            try:
                await listener(task_id, progress, step)
            except Exception as e:
                print(f"进度因调失败: {e}")
    
    async def websocket_callback(self, task_id: str, progress: int, step: str):
        """WebSocket进度推送"""
        # 实现WebSocket推送逻辑
        pass
    
    async def email_callback(self, task_id: str, progress: int, step: str):
        """邮件进度通知"""
        # 实现邮件发送逻辑
        pass

# 使用示例
callback = ProgressCallback()

# 添加WebSocket监听器
callback.add_listener(callback.websocket_callback)

# 添加邮件监听器
callback.add_listener(callback.email_callback)

# 在任务管理器不使用
manager = TaskManager(progress_callback=callback)
