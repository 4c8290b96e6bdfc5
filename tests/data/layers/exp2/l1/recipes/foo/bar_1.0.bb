GREETING = "bar"
OTHER = ""
PROVIDES += "virtual/bar"
BBCLASSEXTEND = "native"
