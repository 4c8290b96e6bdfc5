GREETING = "foo1-l2"
OTHER = ""
