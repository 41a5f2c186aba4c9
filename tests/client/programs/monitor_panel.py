from longhaul_client import TaskMonitor  # added

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
