GREETING .= " app2"
