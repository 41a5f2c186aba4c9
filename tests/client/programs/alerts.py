import asyncio  # added
from datetime import datetime, timedelta  # added
from longhaul_client import TaskManager  # added

class TaskAlertSystem:
    """任务告警系统"""
    
    def __init__(self):
        self.alert_thresholds = {
            'execution_time_warning': 3600,      # 1小时警告
            'execution_time_critical': 7200,     # 2小时严重
            'failure_rate_warning': 0.1,         # 10%失败砇警告
            'failure_rate_critical': 0.2,        # 20%失败砇严重
            'concurrent_tasks_warning': 8,       # 8个并发任务警告
            'concurrent_tasks_critical': 10      # 10个并发任务严重
        }
        self.alert_handlers = []
    
    def add_alert_handler(self, handler):
        """添加告警处理器"""
        self.alert_handlers.append(handler)
    
    async def check_alerts(self) -> list:
        """检查告警条件"""
        
        manager = TaskManager()
        alerts = []
        
        try:
            # 距取任务统计
            tasks_result = await manager.list_tasks(page=1, page_size=1000)
            tasks = tasks_result['items']
            
            # 检查执行时间
            running_tasks = [t for t in tasks if t['status'] == 'RUNNING']
            for task in running_tasks:
                start_time = datetime.fromisoformat(task['created_at'])
                execution_time = (datetime.now() - start_time).total_seconds()
                
                if execution_time > self.alert_thresholds['execution_time_critical']:
                    alerts.append({
                        'type': 'execution_time_critical',
                        'task_id': task['task_id'],
                        'message': f"任务执行时间过长: {execution_time/3600:.1f} 小时",
                        'severity': 'critical',
                        'timestamp': datetime.now().isoformat()
                    })
                elif execution_time > self.alert_thresholds['execution_time_warning']:
                    alerts.append({
                        'type': 'execution_time_warning',
                        'task_id': task['task_id'],
                        'message': f"任务执行时间较长: {execution_time/3600:.1f} 小时",
                        'severity': 'warning',
                        'timestamp': datetime.now().isoformat()
                    })
            
            # 检查失败砇
            recent_tasks = [t for t in tasks if self._is_recent_task(t, hours=24)]
            if recent_tasks:
                failed_tasks = [t for t in recent_tasks if t['status'] == 'FAILED']
                failure_rate = len(failed_tasks) / len(recent_tasks)
                
                if failure_rate > self.alert_thresholds['failure_rate_critical']:
                    alerts.append({
                        'type': 'failure_rate_critical',
                        'message': f"24小时内任务失败砇过高: {failure_rate*100:.1f}%",
                        'severity': 'critical',
                        'timestamp': datetime.now().isoformat()
                    })
                elif failure_rate > self.alert_thresholds['failure_rate_warning']:
                    alerts.append({
                        'type': 'failure_rate_warning',
                        'message': f"24小时内任务失败砇较高: {failure_rate*100:.1f}%",
                        'severity': 'warning',
                        'timestamp': datetime.now().isoformat()
                    })
            
            # 检查并发任务数
            active_tasks = len([t for t in running_tasks if t['status'] == 'RUNNING'])
            if active_tasks > self.alert_thresholds['concurrent_tasks_critical']:
                alerts.append({
                    'type': 'concurrent_tasks_critical',
                    'message': f"并发任务数过多: {active_tasks}",
                    'severity': 'critical',
                    'timestamp': datetime.now().isoformat()
                })
            elif active_tasks > self.alert_thresholds['concurrent_tasks_warning']:
                alerts.append({
                    'type': 'concurrent_tasks_warning',
                    'message': f"并发任务数较多: {active_tasks}",
                    'severity': 'warning',
                    'timestamp': datetime.now().isoformat()
                })
        
        except Exception as e:
            alerts.append({
                'type': 'alert_system_error',
                'message': f"告警系统错误: {e}",
                'severity': 'error',
                'timestamp': datetime.now().isoformat()
            })
        
        return alerts
    
    def _is_recent_task(self, task: dict, hours: int = 24) -> bool:
        """判断是否为最近的任务"""
        
        created_time = datetime.fromisoformat(task['created_at'])
        cutoff_time = datetime.now() - timedelta(hours=hours)
        
        return created_time > cutoff_time
    
    async def send_alerts(self, alerts: list):
        """发送告警"""
        
        for alert in alerts:
            for handler in self.alert_handlers:
                try:
                    await handler(alert)
                except Exception as e:
                    print(f"告警处理器执行失败: {e}")

# 使用示例
alert_system = TaskAlertSystem()

# 添加邮件告警处理器
async def email_alert_handler(alert: dict):
    """邮件告警处理器"""
    print(f"📧 邮件告警: [{alert['severity'].upper()}] {alert['message']}")

# 添加WebHook告警处理器  
async def webhook_alert_handler(alert: dict):
    """WebHook告警处理器"""
    print(f"🔗 WebHook告警: [{alert['severity'].upper()}] {alert['message']}")

# 添加告警处理器
alert_system.add_alert_handler(email_alert_handler)
alert_system.add_alert_handler(webhook_alert_handler)

# 定期检查告警
async def monitor_alerts():
    while True:
        alerts = await alert_system.check_alerts()
        
        if alerts:
            print(f"🚨 检测到 {len(alerts)} 个告警:")
            for alert in alerts:
                severity_icon = {'critical': '🔴', 'warning': '🟡', 'error': '❌'}.get(alert['severity'], '⚪')
                print(f"  {severity_icon} {alert['message']}")
            
            # 发送告警
            await alert_system.send_alerts(alerts)
        
        await asyncio.sleep(60)  # 每分钟检查一次

# 启动告警监控
asyncio.create_task(monitor_alerts())
