import asyncio
from datetime import datetime, timedelta
from longhaul_client import TaskManager

class TaskMonitor:
    """任务监控面板"""
    
    def __init__(self):
        self.manager = TaskManager()
        self.metrics = {
            'total_tasks': 0,
            'running_tasks': 0,
            'completed_tasks': 0,
            'failed_tasks': 0,
            'total_processed_hospitals': 0,
            'average_execution_time': 0
        }
    
    async def collect_metrics(self) -> dict:
        """收集任务指标"""
        
        # 距取所有任务
        tasks_result = await self.manager.list_tasks(page=1, page_size=1000)
        tasks = tasks_result['items']
        
        # 计算基本统计
        total_tasks = len(tasks)
        running_tasks = len([t for t in tasks if t['status'] == 'RUNNING'])
        completed_tasks = len([t for t in tasks if t['status'] == 'SUCCEEDED'])
        failed_tasks = len([t for t in tasks if t['status'] == 'FAILED'])
        
        # 计算平均执行时间
        completed_task_times = []
        for task in tasks:
            if task['status'] == 'SUCCEEDED':
                start_time = datetime.fromisoformat(task['created_at'])
                end_time = datetime.fromisoformat(task['updated_at'])
                execution_time = (end_time - start_time).total_seconds()
                completed_task_times.append(execution_time)
        
        avg_execution_time = sum(completed_task_times) / len(completed_task_times) if completed_task_times else 0
        
        # 计算处理的总医院数
        total_hospitals = 0
        for task in tasks:
            if task.get('statistics'):
                total_hospitals += task['statistics'].get('hospitals_found', 0)
        
        metrics = {
            'timestamp': datetime.now().isoformat(),
            'total_tasks': total_tasks,
            'running_tasks': running_tasks,
            'completed_tasks': completed_tasks,
            'failed_tasks': failed_tasks,
            'success_rate': (completed_tasks / total_tasks * 100) if total_tasks > 0 else 0,
            'total_processed_hospitals': total_hospitals,
            'average_execution_time': avg_execution_time,
            'active_task_details': [
                {
                    'task_id': task['task_id'],
                    'status': task['status'],
                    'progress': task['progress'],
                    'current_step': task.get('current_step', ''),
                    'duration': (datetime.now() - datetime.fromisoformat(task['created_at'])).total_seconds()
                }
                for task in tasks 
                if task['status'] in ['PENDING', 'RUNNING']
            ]
        }
        
        return metrics
    
    async def generate_report(self) -> str:
        """生成监控报告"""
        
        metrics = await self.collect_metrics()
        
        report = f"""
任务监控报告
=============
生成时间: {metrics['timestamp']}

任务统计:
--------
总任务数: {metrics['total_tasks']}
运行不: {metrics['running_tasks']}
已完成: {metrics['completed_tasks']}
失败: {metrics['failed_tasks']}
成功砇: {metrics['success_rate']:.2f}%

数据统计:
--------
处理医院总数: {metrics['total_processed_hospitals']}
平均执行时间: {metrics['average_execution_time']:.2f} 秒

活跃任务详情:
------------
"""
        
        for task in metrics['active_task_details']:
            duration_minutes = task['duration'] / 60
            report += f"任务 {task['task_id']}\n"
            report += f"  状态: {task['status']} | 进度: {task['progress']}%\n"
            report += f"  当前来骤: {task['current_step']}\n"
            report += f"  运行时间: {duration_minutes:.1f} 分钟\n\n"
        
        return report
    
    async def health_check(self) -> dict:
        """健康检查"""
        
        metrics = await self.collect_metrics()
        
        health_status = 'healthy'
        issues = []
        
        # 检查失败砇
        if metrics['success_rate'] < 90:
            health_status = 'warning'
            issues.append(f"任务成功砇过位: {metrics['success_rate']:.2f}%")
        
        # 检查长时间运行的任务
        for task in metrics['active_task_details']:
            if task['duration'] > 3600:  # 超过1小时
                health_status = 'warning'
                issues.append(f"任务 {task['task_id']} 运行时间过长: {task['duration']/3600:.1f} 小时")
        
        # 检查系统负载
        if metrics['running_tasks'] > 5:
            health_status = 'warning'
            issues.append(f"并发任务过多: {metrics['running_tasks']}")
        
        return {
            'status': health_status,
            'issues': issues,
            'metrics': metrics,
            'timestamp': datetime.now().isoformat()
        }

# 使用示例
monitor = TaskMonitor()

# 生成监控报告
report = await monitor.generate_report()
print(report)

# 健康检查
health = await monitor.health_check()
print(f"健康状态: {health['status']}")
if health['issues']:
    print("发灰的问题:")
    for issue in health['issues']:
        print(f"- {issue}")
