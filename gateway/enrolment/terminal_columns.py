"""The columns of a register of households and their terminals. Pure."""

from gateway.config.tables import COLUMNS
from gateway.enrolment.camera_columns import SYSTEM
from gateway.enrolment.columns import Column, Columns

_TERMINALS = (
    Column("id", "终端编号", "Terminal ID",
           ("终端编码", "终端ID", "设备编码", "设备编号", "机顶盒编号", "机顶盒号", "机顶盒编码", "智能卡号", "报警器编号", "ID")),
    Column("household.name", "户主姓名", "Household", ("户主", "姓名", "联系人", "用户姓名")),
    Column("household.phone", "联系电话", "Phone", ("电话", "手机", "手机号", "手机号码", "电话号码", "联系方式")),
    Column("household.address", "家庭住址", "Household's address", ("地址", "住址", "门牌号", "ADDRESS", "详细地址", "家庭地址")),
    Column("household.instructions", "注意事项", "Instructions", ("特殊情况", "出警须知")),
    Column("place.address", "安装地址", "Address of installation"),
    Column("place.lon", "经度", "Longitude", ("LNG", "东经")),
    Column("place.lat", "纬度", "Latitude", ("北纬",)),
    Column(SYSTEM, "坐标系", "Coordinate system", ("坐标系统", "坐标类型", "坐标系类型", "经纬度坐标系")),
    Column("record.given_system", "原坐标系", "Original coordinate system"),
    Column("record.given_lon", "原经度", "Original longitude"),
    Column("record.given_lat", "原纬度", "Original latitude"),
    Column("place.area_code", "行政区划代码", "Area code",
           ("行政区划", "行政区划编码", "行政区域", "区划代码", "网格编码", "区域编码", "areaCode")),
    Column("cameras", "关联摄像机", "Cameras", ("摄像机", "摄像头", "关联摄像头", "摄像机编码")),
    Column("neighbours", "联防户", "Neighbours", ("邻居", "十户联防", "联防终端")),
    Column("presets", "预置位", "Presets"),
    Column("model", "终端型号", "Terminal model", ("型号", "设备型号")),
    Column("record.community", "社区", "Community", ("社区/街道", "所属社区", "村社区", "村/社区", "村组", "所属村组")),
    Column("record.street", "街道", "Township", ("所属街道", "街道/乡镇", "乡镇街道", "镇街", "所属乡镇")),
    Column("record.police_station", "派出所", "Police station", ("所属派出所", "辖区派出所")),
    Column("record.grid_worker", "网格员", "Grid worker", ("所属网格员", "网格员姓名")),
    Column("record.grid_worker_phone", "网格员电话", "Grid worker's phone", ("网格员联系电话", "网格员手机")),
    Column("record.members", "家庭人口", "Members", ("人口数", "家庭人数", "常住人口")),
    Column("record.serial", "序列号", "Serial number", ("SN", "设备序列号")),
    Column("record.mac", "MAC地址", "MAC address", ("MAC",)),
    Column("record.installed", "安装时间", "Installed on", ("安装日期", "开通时间")),
    Column("record.remark", "备注", "Remark", ("说明", "备注信息")),
)  # fmt: skip

TERMINAL_COLUMNS = Columns(_TERMINALS, (*COLUMNS["terminals"], SYSTEM), "终端编号")
TEMPLATE = (
    "id", "household.name", "household.phone", "household.address", "household.instructions", "place.lon", "place.lat", SYSTEM,
    "place.area_code", "cameras", "neighbours", "presets", "model", "record.community", "record.police_station",
    "record.grid_worker", "record.grid_worker_phone", "record.installed", "record.remark",
)  # fmt: skip
