GREETING = "foo2-l1"
OTHER = ""
