from longhaul_client import TaskManager  # added

# 好的做法：合理的任务粒度
async def create_medium_granularity_tasks():
    """创建中等粒度的任务"""
    
    # 按省份创建任务（合理粒度）
    provinces = ["广东省", "江苏省", "浙江省", "山东省", "河南省"]
    
    for province in provinces:
        task_id = await manager.create_province_refresh_task(province)
        print(f"创建省份任务: {province} -> {task_id}")

# 避免：过亭细粒度或过亭粗粒度
async def avoid_granularity_issues():
    """避免粒度问题"""
    
    # 避免：每个孟市一个任务（过亭细粒度）
    # for city in cities:
    #     task_id = await manager.create_city_refresh_task(city)  # 不要这样做
    
    # 避免：所有数据一个任务（过亭粗粒度）
    # task_id = await manager.create_all_data_refresh()  # 不要这样做

manager = TaskManager()  # added
await create_medium_granularity_tasks()  # added
