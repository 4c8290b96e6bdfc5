GREETING = "foo1-l1"
OTHER = ""
