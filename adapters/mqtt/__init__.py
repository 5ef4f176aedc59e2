"""MQTT terminals (3.1.1 and 5): presses in, answers out. presses.py and topics.py are pure; client.py is paho on our loop."""
